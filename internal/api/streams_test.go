package api_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// socket is a WebSocket of a visitor, which holds each message to its schema.
type socket struct {
	t        testing.TB
	plant    *plant
	conn     *websocket.Conn
	response *http.Response
	audio    []audioChunk // binary messages, which next passes over
}

// audioChunk is a binary message, taken apart as openapi.yaml says.
type audioChunk struct {
	job, sound      uuid.UUID
	attempt, offset uint32
	pcm             []int16
}

// dial opens a socket.
func (v *visitor) dial(t testing.TB) *socket {
	t.Helper()
	conn, res, err := v.tryDial(http.Header{})
	require.NoError(t, err)
	s := &socket{t: t, plant: v.plant, conn: conn, response: res}
	require.NotEmpty(t, res.Header.Get("X-Request-Id"))
	t.Cleanup(func() { _ = conn.Close() }) // most tests have closed it
	return s
}

func (v *visitor) tryDial(header http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{Jar: v.jar, HandshakeTimeout: patience}
	conn, res, err := d.DialContext(v.t.Context(), "ws"+strings.TrimPrefix(v.plant.url, "http")+"/v1/ws", header)
	if res != nil {
		_ = res.Body.Close() // holds what the handshake read already
	}
	return conn, res, err
}

// send sends a JSON text.
func (s *socket) send(text string) {
	s.t.Helper()
	require.NoError(s.t, s.conn.WriteMessage(websocket.TextMessage, []byte(text)))
}

// serverMessage is what tests read of the schema ServerMessage.
type serverMessage struct {
	Type           string
	RequestID      string `json:"request_id"`
	JobID          string `json:"job_id"`
	SoundID        string `json:"sound_id"`
	Version        int64
	Job            job
	Sound          sound
	Stage          string
	Percent        float64
	Frames, Total  int64
	Peaks          []int
	Interpretation struct{ Confidence float64 }
	Problem        struct {
		Status int
		Code   string
		Detail string
		Errors []struct{ Field, Message string }
	}

	eventID string // of SSE
}

// next returns the next JSON message; binary ones are kept aside.
func (s *socket) next() serverMessage {
	s.t.Helper()
	for {
		require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
		kind, data, err := s.conn.ReadMessage()
		require.NoError(s.t, err)
		if kind == websocket.BinaryMessage {
			s.audio = append(s.audio, chunk(s.t, data))
			continue
		}
		s.plant.schema(s.t, "ServerMessage", data)
		var m serverMessage
		require.NoError(s.t, json.Unmarshal(data, &m))
		return m
	}
}

// until returns the messages up to the first of a type, that one included.
func (s *socket) until(kind string) []serverMessage {
	s.t.Helper()
	var all []serverMessage
	for {
		m := s.next()
		all = append(all, m)
		if m.Type == kind {
			return all
		}
	}
}

// closed requires that the server has closed the socket with a code.
func (s *socket) closed(code int) {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		_, _, err := s.conn.ReadMessage()
		if err == nil {
			continue
		}
		var c *websocket.CloseError
		require.ErrorAs(s.t, err, &c)
		require.Equal(s.t, code, c.Code, c.Text)
		return
	}
}

// close ends the socket as a browser does.
func (s *socket) close() {
	s.t.Helper()
	require.NoError(s.t, s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(patience)))
	s.closed(websocket.CloseNormalClosure)
}

func chunk(t testing.TB, b []byte) audioChunk {
	t.Helper()
	require.GreaterOrEqual(t, len(b), 40)
	c := audioChunk{
		job: uuid.UUID(b[:16]), sound: uuid.UUID(b[16:32]),
		attempt: binary.LittleEndian.Uint32(b[32:]), offset: binary.LittleEndian.Uint32(b[36:]),
	}
	for b = b[40:]; len(b) >= 2; b = b[2:] {
		c.pcm = append(c.pcm, int16(binary.LittleEndian.Uint16(b)))
	}
	require.Empty(t, b, "whole samples")
	return c
}

// types returns the types of messages.
func types(all []serverMessage) []string {
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = m.Type
	}
	return out
}

// stream is an open event stream.
type stream struct {
	t     testing.TB
	plant *plant
	res   *http.Response
	lines *bufio.Reader
}

// events opens the event stream of a job.
func (v *visitor) events(jobID string, header ...string) *stream {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.plant.url+"/v1/jobs/"+jobID+"/events", nil)
	require.NoError(v.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.client.Do(req)
	require.NoError(v.t, err)
	v.t.Cleanup(func() { _ = res.Body.Close() })
	require.Equal(v.t, http.StatusOK, res.StatusCode)
	require.Equal(v.t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Equal(v.t, "no-store", res.Header.Get("Cache-Control"))
	return &stream{t: v.t, plant: v.plant, res: res, lines: bufio.NewReader(res.Body)}
}

// next returns the next event; ok is false at the end of the stream.
func (s *stream) next() (m serverMessage, ok bool) {
	s.t.Helper()
	var id, event, data string
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			require.Empty(s.t, line+data, "an event broke off")
			return m, false
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && data != "":
			s.plant.schema(s.t, "ServerMessage", []byte(data))
			require.NoError(s.t, json.Unmarshal([]byte(data), &m))
			require.Equal(s.t, event, m.Type, "the event's name is the message's type")
			m.eventID = id
			return m, true
		case line == "", name == "":
		case name == "id":
			id = value
		case name == "event":
			event = value
		case name == "data":
			require.Empty(s.t, data)
			data = value
		default:
			require.Fail(s.t, "a line that is none of SSE", line)
		}
	}
}

// rest returns the events up to the end.
func (s *stream) rest() []serverMessage {
	s.t.Helper()
	var all []serverMessage
	for {
		m, ok := s.next()
		if !ok {
			return all
		}
		all = append(all, m)
	}
}
