package api

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"patchlab/internal/limit"
	"patchlab/internal/live"
	"patchlab/internal/model"
)

const (
	pingEvery = 25 * time.Second
	pongWait  = 60 * time.Second
	// maxSubscriptions is how many jobs one socket may watch.
	maxSubscriptions = 64
	// maxRubbish is how many messages in a row that make no sense end a socket.
	maxRubbish = 10
	// lingering is how long the client has to answer the close of a socket. Were
	// the connection cut at once, what the client still sends would have the
	// network throw away the close message, and with it the reason.
	lingering = time.Second
	// maxRequestID is the length in characters of the longest mark of a generate.
	maxRequestID = 40
	// outgoing messages wait in a short line: when it is full the subscriptions
	// wait, and the hub conflates.
	maxOutgoing = 32
)

// Close codes that gorilla/websocket has no names for in its own words.
const (
	closeRestart = websocket.CloseServiceRestart
	closePolicy  = websocket.ClosePolicyViolation
	closeSlow    = websocket.CloseTryAgainLater
)

// socket handles GET /v1/ws.
func (a *API) socket(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	if !websocket.IsWebSocketUpgrade(c.Request) {
		c.Header("Upgrade", "websocket")
		return model.Errorf(model.CodeBadRequest, "this is a WebSocket: connect with ws:// or wss://")
	}
	if !a.ownOrigin(c.Request) {
		return model.Errorf(model.CodeForbidden, "WebSockets are open to pages of %s only", a.origin)
	}
	leave, err := a.occupy(c)
	if err != nil {
		return err
	}
	defer leave()
	if !a.enter() {
		return model.Errorf(model.CodeUnavailable, "the server restarts: connect again")
	}
	defer a.sockets.Done()
	upgrader := websocket.Upgrader{
		HandshakeTimeout: writeTimeout,
		CheckOrigin:      func(*http.Request) bool { return true },                // checked above, with a problem document
		Error:            func(http.ResponseWriter, *http.Request, int, error) {}, // answered below
	}
	header := http.Header{}
	if cookies := c.Writer.Header().Values("Set-Cookie"); len(cookies) > 0 {
		header["Set-Cookie"] = cookies // the handshake writes its own headers only
	}
	header.Set("X-Request-ID", requestID(c))
	c.Status(http.StatusSwitchingProtocols) // for the log and the metrics: the upgrade takes the connection away
	conn, err := upgrader.Upgrade(c.Writer, c.Request, header)
	if err != nil {
		return model.Wrap(model.CodeBadRequest, err, "the WebSocket handshake failed")
	}
	defer a.opt.Metrics.Watching("websocket")()
	c.Set(lastingKey, true)
	s := &session{
		api: a, conn: conn, caller: caller(c), id: requestID(c), gin: c,
		out: make(chan frame, maxOutgoing), subs: make(map[uuid.UUID]*watching),
	}
	s.run(c.Request.Context())
	return nil
}

// ownOrigin reports whether a socket is opened by a page of ours, or by no page.
func (a *API) ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || origin == a.origin {
		return true
	}
	// The page may have come by another name of this server, such as 127.0.0.1.
	return origin == "http://"+r.Host || origin == "https://"+r.Host
}

// frame is one message on its way to the client.
type frame struct {
	kind int // websocket.TextMessage or websocket.BinaryMessage
	data []byte
}

// session is one socket.
type session struct {
	api    *API
	conn   *websocket.Conn
	caller model.Caller
	id     string
	gin    *gin.Context // for counting; only the reading goroutine uses it
	out    chan frame
	end    func(code int, reason string)

	mu   sync.Mutex
	subs map[uuid.UUID]*watching
	jobs sync.WaitGroup
}

// watching is one subscription of a session.
type watching struct {
	sub  *live.Subscription
	stop context.CancelFunc
}

// run serves the socket until either side ends it.
func (s *session) run(parent context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	var once sync.Once
	closing := make(chan []byte, 1)
	s.end = func(code int, reason string) {
		once.Do(func() {
			closing <- websocket.FormatCloseMessage(code, reason)
			cancel()
		})
	}
	stop := context.AfterFunc(s.api.draining, func() { s.end(closeRestart, "the server restarts: connect again") })
	defer stop()

	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write(ctx)
		cancel()
		select {
		case message := <-closing:
			_ = s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(lingering)) // the peer may have gone
		default:
		}
		_ = s.conn.SetReadDeadline(time.Now().Add(lingering)) // ends the reader
	}()
	answered := s.read(ctx)
	cancel()
	<-written
	s.jobs.Wait()
	if !answered {
		_, _ = io.Copy(io.Discard, s.conn.NetConn()) // until the client has gone, or the deadline
	}
	_ = s.conn.Close()
}

// contain turns a panic into the end of this socket alone.
func (s *session) contain(ctx context.Context) {
	if p := recover(); p != nil {
		s.api.log.ErrorContext(ctx, "a socket panicked", "request_id", s.id, "panic", p, "stack", string(debug.Stack()))
		s.end(websocket.CloseInternalServerErr, "something went wrong on our side: connect again")
	}
}

// write sends what is due, and pings.
func (s *session) write(ctx context.Context) {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var err error
		select {
		case f := <-s.out:
			err = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if err == nil {
				err = s.conn.WriteMessage(f.kind, f.data)
			}
		case <-ping.C:
			err = s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout))
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// send puts a message in line, waiting while the line is full; false when the
// socket ends.
func (s *session) send(ctx context.Context, v any) bool {
	data, err := json.Marshal(v)
	if err != nil {
		s.api.log.ErrorContext(ctx, "cannot encode a message", "request_id", s.id, "err", err)
		return true
	}
	return s.put(ctx, frame{websocket.TextMessage, data})
}

func (s *session) put(ctx context.Context, f frame) bool {
	select {
	case s.out <- f:
		return true
	case <-ctx.Done():
		return false
	}
}

// read handles what the client sends; true when the client closed the socket or
// answered its close.
func (s *session) read(ctx context.Context) (closed bool) {
	defer s.contain(ctx)
	s.conn.SetReadLimit(MaxBody)
	alive := func(string) error {
		if err := s.conn.SetReadDeadline(time.Now().Add(pongWait)); err != nil {
			return err //nolint:wrapcheck // ends the reader
		}
		if ctx.Err() != nil {
			// The deadline of a socket that ends may have been set already: whoever
			// goes on talking must not push it away.
			_ = s.conn.SetReadDeadline(time.Now().Add(lingering))
		}
		return ctx.Err()
	}
	if alive("") != nil {
		return false
	}
	s.conn.SetPongHandler(alive)
	rubbish := 0
	for {
		kind, data, err := s.conn.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) {
			s.end(websocket.CloseMessageTooBig, "messages are at most 64 KiB")
			return false
		}
		var end *websocket.CloseError
		if errors.As(err, &end) {
			return end.Code != websocket.CloseAbnormalClosure
		}
		if err != nil || alive("") != nil {
			return false
		}
		m, err := parseMessage(kind, data)
		if err == nil {
			rubbish = 0
			err = s.handle(ctx, &m)
		} else if rubbish++; rubbish >= maxRubbish {
			s.end(closePolicy, "too many messages that make no sense")
			return false
		}
		if err != nil {
			s.refuse(ctx, m, err)
		}
	}
}

// message is what every message of a client may have.
type message struct {
	kind      string
	requestID string
	jobID     uuid.UUID
	audio     bool
	reader    *reader // the rest
}

// parseMessage reads a message of a client.
func parseMessage(kind int, data []byte) (message, error) {
	if kind != websocket.TextMessage {
		return message{}, model.Errorf(model.CodeBadRequest, "messages are JSON texts, not bytes")
	}
	if !utf8.Valid(data) {
		return message{}, model.Errorf(model.CodeBadRequest, "the message is not valid UTF-8")
	}
	fields, err := parseObject(data)
	if err != nil {
		return message{}, err
	}
	m := message{reader: &reader{fields: fields}}
	r := m.reader
	m.kind, _ = r.text("type")
	switch m.kind {
	case "generate":
		m.requestID, _ = r.text("request_id")
		if utf8.RuneCountInString(m.requestID) > maxRequestID {
			r.fault("request_id", "must have at most %d characters", maxRequestID)
			m.requestID = ""
		}
		return m, nil
	case "subscribe", "unsubscribe", "cancel":
		text, _ := r.text("job_id")
		if m.jobID, err = uuid.Parse(text); err != nil || len(text) != 36 {
			r.fault("job_id", "must be the id of a job")
		}
		if m.kind == "subscribe" {
			m.audio = r.flag("audio")
		}
	case "ping":
	default:
		return m, model.Invalid(model.FieldError{Field: "type", Message: "must be one of generate, subscribe, unsubscribe, cancel, ping"})
	}
	return m, r.rest()
}

// errorMessage is the schema MessageError.
type errorMessage struct {
	Type      string     `json:"type"`
	RequestID string     `json:"request_id,omitempty"`
	JobID     *uuid.UUID `json:"job_id,omitempty"`
	Problem   Problem    `json:"problem"`
}

// handle does what a message asks.
func (s *session) handle(ctx context.Context, m *message) error {
	switch m.kind {
	case "generate":
		return s.generate(ctx, m)
	case "subscribe":
		return s.subscribe(ctx, m.jobID, m.audio)
	case "cancel":
		return s.cancel(ctx, m.jobID)
	case "unsubscribe":
		s.unsubscribe(m.jobID)
		s.send(ctx, map[string]any{"type": "unsubscribed", "job_id": m.jobID})
	default:
		s.send(ctx, map[string]any{"type": "pong"})
	}
	return nil
}

// refuse tells the client why a message came to nothing.
func (s *session) refuse(ctx context.Context, m message, err error) {
	p, _ := problemOf(err, s.id)
	if p.Status >= http.StatusInternalServerError {
		s.api.log.ErrorContext(ctx, "a message failed", "request_id", s.id, "type", m.kind, "err", err)
	}
	msg := errorMessage{Type: "error", RequestID: m.requestID, Problem: p}
	if m.jobID != uuid.Nil {
		msg.JobID = &m.jobID
	}
	s.send(ctx, msg)
}

// generate accepts a request, and watches its job.
func (s *session) generate(ctx context.Context, m *message) error {
	req := readGenerate(m.reader)
	if err := m.reader.rest(); err != nil {
		return err
	}
	if err := s.api.count(s.gin, limit.Generations, s.caller.Owner()); err != nil {
		return err
	}
	key := m.requestID // a client that repeats a message after a reconnect means the same
	if key != "" {
		key = "ws:" + key
	}
	job, err := s.api.accept(ctx, s.caller, req, key)
	if err != nil {
		return err
	}
	s.send(ctx, map[string]any{"type": "accepted", "request_id": m.requestID, "job": newJob(&job, nil)})
	if len(job.Sounds) > 0 {
		s.send(ctx, map[string]any{
			"type": "interpreted", "request_id": m.requestID, "job_id": job.ID, "interpretation": job.Sounds[0].Explanation,
		})
	}
	m.jobID = job.ID // what goes wrong from here on is about the job
	return s.watch(ctx, job.ID, false)
}

// subscribe starts to tell the client of a job of its own.
func (s *session) subscribe(ctx context.Context, jobID uuid.UUID, audio bool) error {
	s.slowDown(ctx)
	if _, err := s.api.opt.Farm.JobHead(ctx, s.caller, jobID); err != nil {
		return err //nolint:wrapcheck // refuse logs it with the message's type
	}
	return s.watch(ctx, jobID, audio)
}

// cancel ends a job of the client's. Who watches it is told by its subscription, as of
// any other end; who does not, here.
func (s *session) cancel(ctx context.Context, jobID uuid.UUID) error {
	s.slowDown(ctx)
	s.mu.Lock()
	_, watched := s.subs[jobID]
	s.mu.Unlock()
	job, err := s.api.opt.Farm.Cancel(ctx, s.caller, jobID)
	if err != nil {
		return err //nolint:wrapcheck // refuse logs it with the message's type
	}
	if watched {
		return nil
	}
	s.tell(ctx, live.Ended(&job))
	return nil
}

// slowest is how long a message waits that comes above the rate.
const slowest = time.Second

// slowDown counts a message that reads the database as a request. Above the rate
// it is not refused but waits, and those after it: a page that connects again
// asks for all its jobs at once, and should get them.
func (s *session) slowDown(ctx context.Context) {
	addr, err := netip.ParseAddr(s.gin.ClientIP())
	if err != nil {
		return
	}
	d := s.api.opt.Limits.Allow(ctx, limit.Requests, s.caller.Owner(), addr)
	if d.Allowed {
		return
	}
	select {
	case <-time.After(min(d.RetryAfter, slowest)):
	case <-ctx.Done():
	}
}

// watch starts to tell the client of a job.
func (s *session) watch(ctx context.Context, jobID uuid.UUID, audio bool) error {
	s.unsubscribe(jobID) // a second subscription takes the place of the first
	s.mu.Lock()
	full := len(s.subs) >= maxSubscriptions
	s.mu.Unlock()
	if full {
		return model.Errorf(model.CodeConflict, "a socket watches at most %d jobs: unsubscribe from one, or open another socket", maxSubscriptions)
	}
	ctx, stop := context.WithCancel(ctx)
	sub, err := s.api.opt.Hub.Subscribe(ctx, jobID, live.Options{Audio: audio})
	if err != nil {
		stop()
		return err //nolint:wrapcheck // refuse logs it with the message's type
	}
	w := &watching{sub: sub, stop: stop}
	s.mu.Lock()
	s.subs[jobID] = w
	s.mu.Unlock()
	s.jobs.Go(func() { s.forward(ctx, w) })
	return nil
}

func (s *session) unsubscribe(jobID uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.subs[jobID]; ok {
		delete(s.subs, jobID)
		w.stop()
	}
}

// forward sends what a subscription gives until it ends.
func (s *session) forward(ctx context.Context, w *watching) {
	defer s.contain(ctx)
	defer func() {
		w.sub.Close()
		w.stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.subs[w.sub.JobID()] == w {
			delete(s.subs, w.sub.JobID())
		}
	}()
	for {
		m, err := w.sub.Next(ctx)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) || ctx.Err() != nil:
			return
		case errors.Is(err, live.ErrGone):
			id := w.sub.JobID()
			p, _ := problemOf(model.Errorf(model.CodeNotFound, "the job was removed"), s.id)
			s.send(ctx, errorMessage{Type: "error", JobID: &id, Problem: p})
			return
		default:
			// Too slow, or the hub ends: a new connection starts from a snapshot.
			s.end(closeSlow, "connect again")
			return
		}
		if !s.tell(ctx, m) {
			return
		}
	}
}

// tell puts what a message of the hub says in line, waiting while the line is full; false
// when the socket ends.
func (s *session) tell(ctx context.Context, m live.Message) bool {
	all, err := encode(m)
	if err != nil {
		s.api.log.ErrorContext(ctx, "cannot encode a message", "request_id", s.id, "err", err)
		return true
	}
	kind := websocket.TextMessage
	if m.Chunk != nil {
		kind = websocket.BinaryMessage
	}
	for _, e := range all {
		if !s.put(ctx, frame{kind, e.data}) {
			return false
		}
	}
	return true
}

// audioFrame is a stretch of preview PCM as it goes over the socket: job, sound,
// attempt, offset, samples; little-endian.
func audioFrame(c *model.AudioChunk) []byte {
	b := make([]byte, 0, 40+2*len(c.PCM))
	b = append(b, c.JobID[:]...)
	b = append(b, c.SoundID[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.Attempt))
	b = binary.LittleEndian.AppendUint32(b, uint32(c.Offset))
	for _, x := range c.PCM {
		b = binary.LittleEndian.AppendUint16(b, uint16(x))
	}
	return b
}
