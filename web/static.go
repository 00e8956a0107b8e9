package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"hotline/web/api"
)

// The console's build. The folder holds nothing but .keep until `make build` has filled it.
//
//go:embed all:console/dist
var consoleFiles embed.FS

// consolePolicy allows the console what it needs and nothing else: no inline script, no foreign origin, no frame around it. Style
// attributes are allowed because Vue's compiled static markup has them.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; " +
	"media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// asset is a file of the console, in the encodings that are worth it.
type asset struct {
	media     string
	etag      string
	immutable bool
	plain     []byte
	gzip      []byte // nil when not smaller
	brotli    []byte // nil unless the build made one
}

// console serves the single-page app from memory.
type console struct {
	assets map[string]*asset
}

// openConsole reads a build of the console. A folder without index.html is a console that has not been built.
func openConsole(files fs.FS) (*console, error) {
	c := &console{assets: map[string]*asset{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			return err
		}
		a, err := readAsset(files, name)
		if err != nil {
			return err
		}
		c.assets["/"+name] = a
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the console's files: %w", err)
	}
	return c, nil
}

func readAsset(files fs.FS, name string) (*asset, error) {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	a := &asset{
		media: mime.TypeByExtension(path.Ext(name)), plain: content, etag: hex.EncodeToString(sum[:12]),
		immutable: strings.HasPrefix(name, "assets/"), // Vite puts a hash into these names
	}
	if m, ok := consoleMedia[path.Ext(name)]; ok {
		a.media = m
	}
	if a.media == "" {
		a.media = "application/octet-stream"
	}
	if !compressible(a.media) || len(content) < 1024 {
		return a, nil
	}
	if br, err := fs.ReadFile(files, name+".br"); err == nil {
		a.brotli = br
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = z.Write(content) // a bytes.Buffer takes everything
	_ = z.Close()
	if b.Len() < len(content) {
		a.gzip = b.Bytes()
	}
	return a, nil
}

// consoleMedia does not depend on the mime tables of the machine.
var consoleMedia = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json",
	".woff2": "font/woff2", ".png": "image/png", ".ico": "image/x-icon", ".map": "application/json", ".wasm": "application/wasm",
}

func compressible(media string) bool {
	return strings.HasPrefix(media, "text/") || strings.HasPrefix(media, "application/") || media == "image/svg+xml"
}

const notBuilt = "The console is not part of this binary.\n\nRun `make build` to build the console and the binary, then start hotline again.\nThe HTTP API works without it: /api/openapi.json describes it.\n"

func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api.Of(r.Context()).Route = "console"
	if !api.Safe(r.Method) || r.Method == http.MethodOptions {
		w.Header().Set("Allow", "GET, HEAD")
		api.NewProblem(http.StatusMethodNotAllowed, "request.method", "this address takes GET and HEAD").Stamp(api.Of(r.Context()).ID).Write(w)
		return
	}
	index := c.assets["/index.html"]
	if index == nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(notBuilt))
		return
	}
	a := c.assets[r.URL.Path]
	switch {
	case a != nil:
	case strings.HasPrefix(r.URL.Path, "/assets/") || path.Ext(r.URL.Path) != "":
		api.NewProblem(http.StatusNotFound, "notfound", "there is no such file").Stamp(api.Of(r.Context()).ID).Write(w)
		return
	default:
		a = index // an address of the single-page app
	}
	a.serve(w, r)
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.media)
	h.Set("Content-Security-Policy", consolePolicy)
	h.Set("Permissions-Policy", "microphone=(self), camera=(), geolocation=()")
	h.Set("Cache-Control", "no-cache")
	if a.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body, etag := a.plain, a.etag
	if a.gzip != nil || a.brotli != nil {
		h.Set("Vary", "Accept-Encoding")
		accepts := r.Header.Get("Accept-Encoding")
		switch {
		case a.brotli != nil && acceptsCoding(accepts, "br"):
			h.Set("Content-Encoding", "br")
			body, etag = a.brotli, etag+"-br"
		case a.gzip != nil && acceptsCoding(accepts, "gzip"):
			h.Set("Content-Encoding", "gzip")
			body, etag = a.gzip, etag+"-gz"
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	r.Header.Del("Range") // ranges of a compressed file help nobody
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// acceptsCoding reads Accept-Encoding (RFC 9110, section 12.5.3) as far as needed: named, and not refused by q=0.
func acceptsCoding(header, coding string) bool {
	for _, part := range strings.Split(header, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			weight = strings.ReplaceAll(weight, " ", "")
			return weight != "q=0" && weight != "q=0.0" && weight != "q=0.00" && weight != "q=0.000"
		}
	}
	return false
}
