package postgres

import "testing"

// HideInstallations makes this machine one without PostgreSQL for the time of a test.
func HideInstallations(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	old := debianBins
	debianBins = t.TempDir() + "/*/bin"
	t.Cleanup(func() { debianBins = old })
}
