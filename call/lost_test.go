package call

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestWhatCarriesACallIsLost: the call is cut by the system, wherever it was, and whoever waits for it learns that it was no hang-up.
func TestWhatCarriesACallIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		said Result
		want Result
	}{
		"in the line": {"", ResultCutBySystem}, "in mid-sentence": {ResultAnswered, ResultCutBySystem},
		"with a number": {ResultTransferred, ResultCutBySystem}, "after the message": {ResultVoicemail, ResultVoicemail},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got error
				st := begin(t, Config{}, func(ctx context.Context, c2 *Call) error {
					if err := c2.Answer(ctx); err != nil {
						return err
					}
					c2.SetResult(c.said)
					_, got = c2.Await(ctx, AwaitOptions{})
					return got
				})
				synctest.Wait()
				st.fakeLeg.end(CauseBackendLost)
				ended, _ := st.end(t)
				if !errors.Is(got, ErrCut) || ended.Result != c.want || ended.Cause != CauseBackendLost {
					t.Errorf("%v, %+v", got, ended)
				}
			})
		})
	}
}
