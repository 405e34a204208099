package auth

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func request(t *testing.T, cookie string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: VisitorCookie, Value: cookie})
	}
	return r
}

func TestAVisitorComesBackAsTheSame(t *testing.T) {
	t.Parallel()
	v := NewVisitors(bytes.NewReader(bytes.Repeat([]byte{7}, visitorBytes)), true)
	caller, cookie, err := v.Admit(request(t, ""))
	require.NoError(t, err)
	require.NotNil(t, cookie)
	require.True(t, cookie.HttpOnly && cookie.Secure && cookie.Path == "/" && cookie.SameSite == http.SameSiteLaxMode)
	require.NotContains(t, caller.Owner(), cookie.Value, "the secret itself must not reach the database")

	again, none, err := v.Admit(request(t, cookie.Value))
	require.NoError(t, err)
	require.Nil(t, none)
	require.Equal(t, caller, again)
	known, ok := v.Known(request(t, cookie.Value))
	require.True(t, ok)
	require.Equal(t, caller, known)
}

func TestABadCookieIsNobody(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("A", 43)
	for _, value := range []string{"", "x", good[:42], good + "A", strings.Repeat("!", 43), good[:42] + "B", strings.Repeat("A", 5000)} {
		_, ok := NewVisitors(nil, false).Known(request(t, value))
		require.False(t, ok, "%q", value)
	}
	_, ok := NewVisitors(nil, false).Known(request(t, good))
	require.True(t, ok)
}

func TestNoRandomnessNoVisitor(t *testing.T) {
	t.Parallel()
	_, cookie, err := NewVisitors(iotest.ErrReader(errors.New("dry")), false).Admit(request(t, ""))
	require.Error(t, err)
	require.Nil(t, cookie)
}
