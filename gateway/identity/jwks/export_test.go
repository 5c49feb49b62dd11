package jwks

import (
	"context"
	"log/slog"
	"math/big"
	"time"
)

// OpenWith is Open with another way to fetch.
func OpenWith(settings Settings, logger *slog.Logger, fetch func(context.Context) (*Set, error)) (*Keys, func()) {
	return open(nil, settings, logger, fetch)
}

// FetchWithin is Fetch with another timeout.
func FetchWithin(ctx context.Context, url string, timeout time.Duration) (*Set, error) {
	return newFetcher(url, timeout).fetch(ctx)
}

// OpenWithin is Open with another timeout.
func OpenWithin(settings Settings, logger *slog.Logger, timeout time.Duration) (*Keys, func()) {
	return open(nil, settings, logger, newFetcher(settings.URL, timeout).fetch)
}

// CheckAddress is what the dialler asks.
func CheckAddress(address string, clearText bool) error { return checkAddress(address, clearText) }

// CheckEd25519 is the filter's check of such keys.
func CheckEd25519(public []byte) error { return checkEd25519(public) }

// FromBrokenGenerator is the filter's check of moduli.
func FromBrokenGenerator(modulus *big.Int) bool { return fromBrokenGenerator(modulus) }

// Equal reports whether two sets are taken for the same.
func Equal(a, b *Set) bool { return a.equal(b) }

// OpenFromWith is OpenFrom with another way to fetch.
func OpenFromWith(others *Keys, settings Settings, logger *slog.Logger, fetch func(context.Context) (*Set, error)) (*Keys, func()) {
	return open(others, settings, logger, fetch)
}

// Words are what the error of a fetch is told in.
func Words(err error) string { return explain(context.Background(), err, time.Now()).Error() }
