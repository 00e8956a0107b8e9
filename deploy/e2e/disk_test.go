//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk is a file system of its own, whose size a test changes while the product runs on it.
type smallDisk struct {
	t   testing.TB
	dir string
}

func newSmallDisk(t testing.TB) *smallDisk {
	t.Helper()
	d := &smallDisk{t: t, dir: t.TempDir()}
	if err := unix.Mount("tmpfs", d.dir, "tmpfs", 0, "size=1024m,mode=755"); err != nil {
		t.Fatalf("this test fills a small disk and has to mount a tmpfs for that: run it as root, in a container with CAP_SYS_ADMIN (%v)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(d.dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", d.dir, err)
		}
	})
	return d
}

// leave makes the disk so large that so many bytes are free on it.
func (d *smallDisk) leave(free int64) {
	d.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		d.t.Fatal(err)
	}
	used := int64(st.Blocks-st.Bfree) * st.Bsize
	size := used + free
	raw, err := exec.Command("mount", "-o", "remount,size="+strconv.FormatInt(size, 10), d.dir).CombinedOutput()
	if err != nil {
		d.t.Fatalf("remount %s with %d bytes: %v %s", d.dir, size, err, raw)
	}
}

// TestDiskFills: first there is no room for recordings any more, then none for anything. Calls go on, new ones are answered, and
// all of them are filed when there is room again.
func TestDiskFills(t *testing.T) {
	t.Parallel()
	disk := newSmallDisk(t)
	h := newHouse(t, "HOTLINE_DATA_DIR="+disk.dir)
	h.dir = disk.dir
	pid := h.cmd.Process.Pid
	const talking, unrecorded, unwritten, after = "+8613811300001", "+8613811300002", "+8613811300003", "+8613811300004"
	up := h.rings("4000", talking, 500)
	up.press("21")
	h.reaches(talking, "queued")
	up.hears(3 * time.Second)

	disk.leave(64 << 20) // less than recordings leave to the rest of the product
	second := h.rings("4000", unrecorded, 600)
	second.press("22")
	h.reaches(unrecorded, "queued")
	up.stays(12 * time.Second) // longer than what a recorder holds in memory
	if !strings.Contains(h.log.String(), "recordings suffer") {
		t.Error("no alarm in the log when nothing can be recorded")
	}

	disk.leave(0)
	third := h.rings("4000", unwritten, 700)
	third.press("212") // to the voicemail, for which there is no room
	third.hears(3 * time.Second)
	up.hears(time.Second)
	second.hears(time.Second)
	if err := os.WriteFile(disk.dir+"/probe", make([]byte, 1<<16), 0o600); err == nil {
		t.Error("the disk is not full: this test proves nothing")
	}
	select {
	case <-third.call.Ended:
	case <-time.After(60 * time.Second):
		t.Error("who cannot leave a message is not told so, and sent off")
	}

	disk.leave(600 << 20)
	os.Remove(disk.dir + "/probe")
	h.wellAgain(60 * time.Second)
	up.hears(2 * time.Second)
	up.hangup()
	second.hangup()
	h.digitsFiled(map[string]string{talking: "21", unrecorded: "22", unwritten: "212"})
	if tasks := h.ticket(h.ended(unwritten).Ticket).Tasks; len(tasks) != 1 || tasks[0].Kind != "callback" || tasks[0].Phone != unwritten {
		t.Errorf("who could not leave a message is not called back: %+v", tasks)
	}
	h.partialAfterGap(talking)
	last := h.rings("4000", after, 500)
	last.press("21")
	last.hears(2 * time.Second)
	last.hangup()
	h.wholly(after, "abandoned", "21")
	h.settled()
	if h.cmd.Process.Pid != pid || h.cmd.ProcessState != nil {
		t.Error("the process did not live through it")
	}
}

// digitsFiled: the calls of the full disk are filed like any other, whatever the disk took at the time.
func (h *house) digitsFiled(pressed map[string]string) {
	h.t.Helper()
	for from, digits := range pressed {
		id, c := h.filed(from)
		h.timesFit(from, c)
		if got := h.call(id).digits(); got != digits || c.Ticket == 0 {
			h.t.Errorf("%s: digits %q, ticket %d, result %q", from, got, c.Ticket, c.Result)
		}
	}
}

// partialAfterGap: the recording says that something is missing, and plays.
func (h *house) partialAfterGap(from string) {
	h.t.Helper()
	r := h.recordingOf(from, "call")
	if r == nil || r.State != "partial" || r.DurationMS < 3000 {
		h.t.Errorf("recording of the call during which the disk was full: %+v", r)
		return
	}
	said, _ := h.sound(r.ID)
	if share := bestTone(said, 500); share < 0.8 {
		h.t.Errorf("the caller's tone is %.2f of the recording", share)
	}
}
