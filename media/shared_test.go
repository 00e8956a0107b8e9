package media

import (
	"runtime"
	"testing"
	"time"
)

// A place on a shared socket whose peer is told only after we have told our own address.
func TestSharedSocketBeforeThePeerIsKnown(t *testing.T) {
	e, other := running(t, Config{}), running(t, Config{})
	var ports []uint16
	for i := range 2 * runtime.GOMAXPROCS(0) {
		x, err := e.Open(OpenOptions{Shared: true, Awaits: true})
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, x.Local().Port())
		y, err := other.Open(OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for s, to := range map[*Stream]*Stream{x: y, y: x} {
			if err := s.Configure(Setup{Remote: to.Local(), RTCPMux: true}); err != nil {
				t.Fatal(err)
			}
		}
		freq := float64(600 + 100*i)
		h := newEar(freq)
		x.Tap(h)
		y.Play(Tone(freq, 10*time.Second, 0.5), PlayOptions{})
		h.wait(t, "x")
	}
	if st := e.Stats(); st.SharedStreams != len(ports) || st.PortsInUse != runtime.GOMAXPROCS(0) {
		t.Errorf("%+v with %d streams", st, len(ports))
	}
}
