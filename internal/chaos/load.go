package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// visitors is how many people ask.
const visitors = 12

// order is one request of the load: a sound in some variations, or a pack.
type order struct {
	at          time.Duration
	n           int // its Idempotency-Key
	visitor     int
	path, body  string
	sounds      int
	pack        bool
	twice       bool          // sent twice at the same time, with one key
	watched     bool          // by a client with a socket
	cancelAfter time.Duration // 0 = never

	jobID, packID string // once accepted
	cancelled     bool   // the farm has answered a cancel
	err           error  // why it was not accepted
}

// orders returns the load of a seed, spread over a time. A tenth of the sounds are asked
// for again by somebody else.
func orders(seed uint64, jobs, packs int, over time.Duration) []*order {
	r := dice(seed, 2)
	all := make([]*order, 0, jobs+packs)
	for range jobs {
		o := &order{at: between(r, 0, over), visitor: r.IntN(visitors), path: "/v1/sounds/generate", sounds: 1}
		if r.IntN(5) == 0 {
			o.sounds = 2 + r.IntN(3)
		}
		if len(all) > 0 && r.IntN(10) == 0 {
			old := all[r.IntN(len(all))]
			o.body, o.sounds = old.body, old.sounds
		} else {
			o.body = fmt.Sprintf(`{"prompt":%q,"seed":%d,"duration":%.2f,"variations":%d,"sample_rate":22050}`,
				words(r), 1+r.IntN(1<<30), 0.2+0.3*r.Float64(), o.sounds)
		}
		o.twice, o.watched = r.IntN(30) == 0, r.IntN(2) == 0
		if r.IntN(40) == 0 {
			o.cancelAfter = between(r, time.Millisecond, 600*time.Millisecond)
		}
		all = append(all, o)
	}
	for n := range packs {
		o := packOrder(r, fmt.Sprintf("pack %d", n+1), 5+r.IntN(56))
		o.at, o.visitor = between(r, 0, over*2/3), r.IntN(visitors)
		if n > 0 && r.IntN(10) == 0 {
			o.cancelAfter = between(r, time.Millisecond, 2*time.Second)
		}
		all = append(all, o)
	}
	for n, o := range all {
		o.n = n
	}
	return all
}

// packOrder is the order of a pack of short sounds.
func packOrder(r *rand.Rand, name string, sounds int) *order {
	list := make([]string, sounds)
	for i := range list {
		list[i] = fmt.Sprintf(`{"prompt":%q,"seed":%d,"duration":%.2f}`, words(r), 1+r.IntN(1<<30), 0.2+0.3*r.Float64())
	}
	body := fmt.Sprintf(`{"name":%q,"sounds":[%s],"sample_rate":22050}`, name, strings.Join(list, ","))
	return &order{path: "/v1/packs", body: body, sounds: sounds, pack: true, watched: true}
}

// words draws a prompt.
func words(r *rand.Rand) string {
	of := func(list ...string) string { return list[r.IntN(len(list))] }
	return of("deep", "bright", "soft", "dark", "short") + " " + of("kick", "snare", "hat", "bass", "pluck", "coin", "laser", "bell")
}

// visitor is somebody with a browser, who turns to another API when one does not answer.
type visitor struct {
	apis   []string
	client *http.Client
	turn   atomic.Int64
	tally  *tally
}

// tally is what all visitors share.
type tally struct {
	repeats  atomic.Int64
	verified verified
}

func newVisitor(apis []string, n int, t *tally) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make a cookie jar: %w", err)
	}
	const patience = 15 * time.Second // more than the farm takes for any answer
	v := &visitor{apis: apis, client: &http.Client{Jar: jar, Timeout: patience}, tally: t}
	v.turn.Store(int64(n))
	return v, nil
}

// api returns the address of the API that the visitor talks to.
func (v *visitor) api() string { return v.apis[v.turn.Load()%int64(len(v.apis))] }

// errNoAnswer means that nobody answered, or not whole.
var errNoAnswer = errors.New("no answer")

// call sends a request once.
func (v *visitor) call(ctx context.Context, method, path, body, key string) (status int, data []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+v.api()+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Requested-With", "patchlab")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := v.client.Do(req)
	if err != nil {
		return 0, nil, errors.Join(errNoAnswer, err)
	}
	data, err = io.ReadAll(res.Body)
	if cerr := res.Body.Close(); err != nil || cerr != nil {
		return 0, nil, errors.Join(errNoAnswer, err, cerr)
	}
	return res.StatusCode, data, nil
}

// insistence is how long a visitor repeats a request.
const insistence = 90 * time.Second

// insist repeats a request until it is answered, and not with "later".
func (v *visitor) insist(ctx context.Context, method, path, body, key string) (status int, data []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, insistence)
	defer cancel()
	for {
		status, data, err = v.call(ctx, method, path, body, key)
		if err == nil && status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
			return status, data, nil
		}
		v.tally.repeats.Add(1)
		v.turn.Add(1)
		select {
		case <-time.After(150 * time.Millisecond):
		case <-ctx.Done():
			return status, data, errors.Join(fmt.Errorf("%s %s: the last answer is %d %.300s", method, path, status, data), err)
		}
	}
}

// accepted is what the farm answers to an order.
type accepted struct {
	Job  struct{ ID string }
	Pack struct {
		ID  string
		Job struct{ ID string }
	}
}

// order sends an order until it is accepted, and returns what was answered.
func (v *visitor) order(ctx context.Context, o *order, key string) (accepted, error) {
	var out accepted
	status, data, err := v.insist(ctx, http.MethodPost, o.path, o.body, key)
	if err != nil {
		return out, err
	}
	if status != http.StatusAccepted && status != http.StatusCreated && status != http.StatusOK {
		return out, fmt.Errorf("%s: %d %.300s", o.path, status, data)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("%s: %w: %.300s", o.path, err, data)
	}
	if o.pack {
		out.Job = out.Pack.Job
	}
	return out, nil
}

// place orders, and cancels where that is meant to be.
func (v *visitor) place(ctx context.Context, o *order) error {
	key := fmt.Sprintf("chaos-%d", o.n)
	var other accepted
	var otherErr error
	var second sync.WaitGroup
	if o.twice {
		second.Go(func() { other, otherErr = v.order(ctx, o, key) })
	}
	out, err := v.order(ctx, o, key)
	second.Wait()
	if err = errors.Join(err, otherErr); err != nil {
		return err
	}
	if o.twice && other.Job.ID != out.Job.ID {
		return fmt.Errorf("one key, two jobs: %s and %s", out.Job.ID, other.Job.ID)
	}
	o.jobID, o.packID = out.Job.ID, out.Pack.ID
	if o.cancelAfter == 0 {
		return nil
	}
	select {
	case <-time.After(o.cancelAfter):
	case <-ctx.Done():
	}
	status, data, err := v.insist(ctx, http.MethodDelete, "/v1/jobs/"+o.jobID, "", "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("cancel job %s: %d %.300s", o.jobID, status, data)
	}
	o.cancelled = true
	return nil
}

// final waits until a job has succeeded, and returns its sounds (a pack's job has none).
func (v *visitor) final(ctx context.Context, jobID string) (sounds []string, err error) {
	for {
		status, data, err := v.insist(ctx, http.MethodGet, "/v1/jobs/"+jobID, "", "")
		if err != nil {
			return nil, err
		}
		var out struct {
			Job struct {
				State  string
				Sounds []struct{ ID string }
			}
		}
		if err := json.Unmarshal(data, &out); err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("job %s: %d %.300s", jobID, status, data)
		}
		switch out.Job.State {
		case "succeeded":
			for _, s := range out.Job.Sounds {
				sounds = append(sounds, s.ID)
			}
			return sounds, nil
		case "failed", "cancelled":
			return nil, fmt.Errorf("job %s is %s: %.600s", jobID, out.Job.State, data)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("job %s is still %s", jobID, out.Job.State)
		}
	}
}
