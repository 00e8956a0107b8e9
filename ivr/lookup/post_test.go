package lookup

import (
	"io"
	"net/http"
	"testing"

	"hotline"
)

func TestPost(t *testing.T) {
	var got string
	status := http.StatusNoContent
	host, port := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		w.WriteHeader(status)
	})
	at := "http://" + host + ":" + port + "/pop"
	if err := New(nil).Post(t.Context(), at, []byte(`{}`)); hotline.KindOf(err) != hotline.Denied || got != "" {
		t.Errorf("a host that is on no list was told %q: %v", got, err)
	}
	c := New([]string{host + ":" + port})
	if err := c.Post(t.Context(), at, []byte(`{"phone":"+86"}`)); err != nil || got != `POST /pop application/json {"phone":"+86"}` {
		t.Errorf("%q %v", got, err)
	}
	status = http.StatusBadGateway
	if err := c.Post(t.Context(), at, nil); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("502: %v", err)
	}
	if err := c.Post(t.Context(), "file:///etc/passwd", nil); hotline.KindOf(err) != hotline.Denied {
		t.Errorf("a file: %v", err)
	}
}
