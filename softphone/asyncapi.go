package softphone

import _ "embed" // the document

//go:embed asyncapi.yaml
var asyncAPI []byte

// AsyncAPI is the document of the protocol (AsyncAPI 3, YAML).
func AsyncAPI() []byte { return asyncAPI }
