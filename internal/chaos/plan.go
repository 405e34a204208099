// Package chaos runs the farm as real processes on real servers, breaks all of it by a
// plan made from one seed while people ask for sounds, and then holds the farm to what it
// promises: every accepted job ends, once, whatever dies.
package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The sizes of the farm.
const (
	apis     = 2
	workers  = 3
	janitors = 2
)

// Kind is what an event does to its target.
type Kind string

// The kinds of events.
const (
	Kill     Kind = "kill -9"           // a process, which is started again at once, or a server, after For
	Freeze   Kind = "frozen"            // a process stands still for For, longer than the farm waits for one
	Roll     Kind = "rolling stop"      // SIGTERM to one worker after the other
	Shutdown Kind = "fast shutdown"     // of PostgreSQL, for For
	Cut      Kind = "cut"               // connections to a server are reset and refused for For
	Stall    Kind = "stall"             // nothing moves to or from a server for For, and nobody is told
	Delay    Kind = "delay"             // each piece to and from a server comes By later
	Error    Kind = "500"               // every second request to S3
	SlowDown Kind = "503 SlowDown"      // every request to S3
	Mute     Kind = "no answer"         // S3 hears requests and does not answer
	Lost     Kind = "lost answers"      // S3 does what it is asked, and every second answer is lost
	Clock    Kind = "clock"             // of a process is wrong by By, for For
	Reboot   Kind = "clock and kill -9" // the same, and what it wrote it cannot mend: it is killed before its clock is right
	Fill     Kind = "full"              // the disk of the store
)

// Event is one thing that goes wrong.
type Event struct {
	At     time.Duration // from the beginning of the storm
	For    time.Duration // how long it lasts; 0 where it is over at once
	Kind   Kind
	Target string
	By     time.Duration
}

// String says what happens, in words that fit a table.
func (e Event) String() string {
	what := e.Target + ": " + string(e.Kind)
	if e.By != 0 {
		what += fmt.Sprintf(" %+v", e.By)
	}
	return what
}

// The targets that are no processes.
const (
	postgres = "postgres"
	redis    = "redis"
	minio    = "minio"
	fleet    = "workers"
	disk     = "disk"
)

// processes returns the names of all processes, "api-1" and so on.
func processes() []string {
	var names []string
	for _, role := range []struct {
		name string
		n    int
	}{{"api", apis}, {"worker", workers}, {"janitor", janitors}} {
		for i := range role.n {
			names = append(names, fmt.Sprintf("%s-%d", role.name, i+1))
		}
	}
	return names
}

// role is the kind of a process.
func role(name string) string {
	r, _, _ := strings.Cut(name, "-")
	return r
}

// dice are the random numbers of one part of a run: those of one part do not depend on
// how many another has drawn.
func dice(seed, part uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, part))
}

// between draws a time.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(r.Int64N(int64(most-least)))).Round(10 * time.Millisecond)
}

// Plan returns the storm of a seed, in the order of its events: with everything that can
// go wrong once, and some more kills; or, where short, a part of it.
func Plan(seed uint64, short bool) []Event {
	r := dice(seed, 1)
	one := func(role string, n int) string { return fmt.Sprintf("%s-%d", role, 1+r.IntN(n)) }
	server := func() string { return []string{postgres, redis, minio}[r.IntN(3)] }
	any1 := func() string { all := processes(); return all[r.IntN(len(all))] }
	delay := func() time.Duration { return between(r, 20*time.Millisecond, 80*time.Millisecond) }
	step := func() time.Duration { return between(r, 10*time.Minute, 6*time.Hour).Round(time.Minute) }
	deck := []Event{
		{Kind: Kill, Target: one("worker", workers)},
		{Kind: Kill, Target: redis},
		{Kind: Kill, Target: postgres},
		{Kind: Roll, Target: fleet},
		{Kind: Error, Target: minio},
		{Kind: Cut, Target: server()},
		{Kind: Reboot, Target: one("api", apis), By: step()},
		{Kind: Fill, Target: disk},
	}
	if short {
		deck = append(deck, Event{Kind: Kill, Target: one("api", apis)})
	} else {
		deck = append(deck,
			Event{Kind: Kill, Target: "api-1"}, Event{Kind: Kill, Target: "api-2"},
			Event{Kind: Kill, Target: one("janitor", janitors)},
			Event{Kind: Kill, Target: minio},
			Event{Kind: Shutdown, Target: postgres},
			Event{Kind: Freeze, Target: one("worker", workers)},
			Event{Kind: Cut, Target: postgres}, Event{Kind: Cut, Target: redis}, Event{Kind: Cut, Target: minio},
			Event{Kind: Delay, Target: postgres, By: delay()}, Event{Kind: Delay, Target: redis, By: delay()},
			Event{Kind: Delay, Target: minio, By: delay()},
			Event{Kind: Stall, Target: postgres}, Event{Kind: Stall, Target: redis}, Event{Kind: Stall, Target: minio},
			Event{Kind: SlowDown, Target: minio}, Event{Kind: Mute, Target: minio}, Event{Kind: Lost, Target: minio},
			Event{Kind: Reboot, Target: one("worker", workers), By: step()},
			Event{Kind: Clock, Target: one("worker", workers), By: step()},
			Event{Kind: Clock, Target: one("api", apis), By: step()},
			Event{Kind: Clock, Target: one("janitor", janitors), By: -step()},
			Event{Kind: Clock, Target: any1(), By: -step()},
			Event{Kind: Kill, Target: any1()}, Event{Kind: Kill, Target: any1()},
			Event{Kind: Kill, Target: one("worker", workers)}, Event{Kind: Kill, Target: one("worker", workers)},
		)
	}
	r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	least, most, lasts := 1200*time.Millisecond, 4500*time.Millisecond, 5*time.Second
	if short {
		least, most, lasts = 400*time.Millisecond, 1500*time.Millisecond, 1500*time.Millisecond
	}
	at := time.Second
	free := map[string]time.Duration{} // when the last event of a target is over
	for i := range deck {
		e := &deck[i]
		at += between(r, least, most)
		switch {
		case e.Kind == Roll, e.Kind == Kill && !slices.Contains([]string{postgres, redis, minio}, e.Target):
		case e.Kind == Freeze:
			e.For = between(r, 13*time.Second, 16*time.Second)
		default:
			e.For = between(r, lasts/5, lasts)
		}
		e.At = max(at, free[e.target()])
		// What is meant to be a moment takes one: a server starts, a worker drains.
		free[e.target()] = e.At + e.For + 2*time.Second
	}
	slices.SortStableFunc(deck, func(a, b Event) int { return int(a.At - b.At) })
	return deck
}

// target is what only one event at a time may work on. A full disk is trouble of the
// store's.
func (e Event) target() string {
	switch {
	case e.Target == disk:
		return minio
	case role(e.Target) == "worker":
		return fleet
	}
	return e.Target
}

// end is when all of a plan is over.
func end(plan []Event) time.Duration {
	var last time.Duration
	for _, e := range plan {
		last = max(last, e.At+e.For)
	}
	return last
}
