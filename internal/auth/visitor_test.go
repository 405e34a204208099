package auth

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestAVisitorComesBackAsTheSame(t *testing.T) {
	t.Parallel()
	v := NewVisitors(bytes.NewReader(append(bytes.Repeat([]byte{7}, secretBytes), bytes.Repeat([]byte{8}, secretBytes)...)))
	secret, caller, err := v.Draw()
	require.NoError(t, err)
	require.NotContains(t, caller.Owner(), secret, "the secret itself must not reach the database")
	known, ok := v.Known(secret)
	require.True(t, ok)
	require.Equal(t, caller, known)

	_, other, err := v.Draw()
	require.NoError(t, err)
	require.NotEqual(t, caller, other)
}

func TestABadSecretIsNobody(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("A", 43)
	v := NewVisitors(nil)
	for _, secret := range []string{"", "x", good[:42], good + "A", strings.Repeat("!", 43), good[:42] + "B", strings.Repeat("A", 5000)} {
		_, ok := v.Known(secret)
		require.False(t, ok, "%q", secret)
	}
	_, ok := v.Known(good)
	require.True(t, ok)
}

func TestNoRandomnessNoVisitor(t *testing.T) {
	t.Parallel()
	_, _, err := NewVisitors(iotest.ErrReader(errors.New("dry"))).Draw()
	require.Error(t, err)
}
