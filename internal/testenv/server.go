// Package testenv starts private servers: on free ports or sockets, in temporary
// folders. Nothing that runs already is used, and nothing outlives the process that
// asked for it, however that ends: a guard outside of it sees to that.
package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout bounds the start of a server, on a machine with much else to do.
const startTimeout = 30 * time.Second

// server is a program with a folder of its own.
type server struct {
	name string
	dir  string
	// as are the rights that the program runs with; nil = ours.
	as *syscall.Credential
	// quit is the signal with which it ends at once and leaves nothing behind.
	quit syscall.Signal
	// ready reports whether it answers.
	ready func(ctx context.Context) error

	mu    sync.Mutex
	cmd   *exec.Cmd
	guard *guard
	done  chan struct{} // closed when cmd has ended
}

// newServer makes the folder of a server. The path is short, for that of a socket
// has at most 107 bytes.
func newServer(name string, as *syscall.Credential) (*server, error) {
	dir, err := os.MkdirTemp("", "pl-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", name, err)
	}
	s := &server{name: name, dir: dir, as: as, quit: syscall.SIGKILL}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return nil, errors.Join(fmt.Errorf("hand over the folder of %s: %w", name, err), os.RemoveAll(dir))
		}
	}
	return s, nil
}

// logPath is where the server's words are.
func (s *server) logPath() string { return filepath.Join(s.dir, "log") }

// run starts the program and waits until it is ready.
func (s *server) run(env []string, program string, args ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	defer func() { _ = log.Close() }() // the server has its own handle
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LANG=C"}, env...)
	// A group of its own: Ctrl-C at the terminal is ours to pass on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.cmd, s.done = cmd, make(chan struct{})
	s.guard, err = newGuard(cmd.Process.Pid, s.quit, s.dir)
	go wait(cmd, s.guard, s.done)
	if err != nil {
		s.end(syscall.SIGKILL)
		return err
	}
	if err := s.await(); err != nil {
		words, _ := os.ReadFile(s.logPath())
		s.end(syscall.SIGKILL)
		const most = 2000
		return fmt.Errorf("%s does not start: %w\n%s", s.name, err, words[max(0, len(words)-most):])
	}
	return nil
}

// wait has a name for the leak checks of tests: it lasts as long as a shared server.
func wait(cmd *exec.Cmd, g *guard, done chan<- struct{}) {
	_ = cmd.Wait() // how it ended is in its log
	g.ended()
	close(done)
}

func (s *server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-s.done:
			return errors.New("it has ended")
		case <-ctx.Done():
			return err
		}
	}
}

// end ends the program with a signal, for good after a moment. It may be called
// for one that has ended.
func (s *server) end(sig syscall.Signal) {
	if s.cmd == nil {
		return
	}
	s.signal(sig)
	const patience = 10 * time.Second
	select {
	case <-s.done:
	case <-time.After(patience):
		s.signal(syscall.SIGKILL)
		<-s.done
	}
	s.guard.dismiss()
	s.cmd, s.guard = nil, nil
}

// signal sends a signal to the program, SIGKILL to its children as well: they could
// else live on for a moment and be in the way of the next start. It may be gone
// already; then its number may be another's.
func (s *server) signal(sig syscall.Signal) {
	select {
	case <-s.done:
		return
	default:
	}
	if sig == syscall.SIGKILL {
		_ = syscall.Kill(-s.cmd.Process.Pid, sig) // the group that it leads
	}
	_ = s.cmd.Process.Signal(sig)
}

// Kill ends the server at once, as a crash would. Its data stays for Start.
func (s *server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(syscall.SIGKILL)
}

// Stop ends the server with a signal, as whoever looks after it would. Its data stays
// for Start.
func (s *server) Stop(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(sig)
}

// PID returns the number of the server's process, 0 while it does not run.
func (s *server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Close ends the server and removes its folder.
func (s *server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(s.quit)
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the folder of %s: %w", s.name, err)
	}
	return nil
}

// guard is a shell that waits for the end of this process, then ends a server and
// removes its folder. It sees the end by that of a pipe, which the kernel closes
// whatever happened: a panic, a time-out of the tests, kill -9.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func newGuard(pid int, quit syscall.Signal, dir string) (*guard, error) {
	const script = `pid=$1
while read -r word; do
	case $word in
	dismissed) exit ;;
	ended) pid= ;;
	esac
done
if [ -n "$pid" ]; then
	kill -"$2" "$pid" 2>/dev/null
	n=0; while kill -0 "$pid" 2>/dev/null && [ $n -lt 30 ]; do sleep 0.1; n=$((n+1)); done
	kill -9 -- -"$pid" 2>/dev/null
fi
rm -rf "$3"`
	g := &guard{cmd: exec.CommandContext(context.Background(), "sh", "-c", script, "guard",
		strconv.Itoa(pid), strconv.Itoa(int(quit)), dir)}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if g.pipe, err = g.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("guard a server: %w", err)
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("guard a server: %w", err)
	}
	return g, nil
}

// ended tells the guard that the server has ended by itself: its number may become
// another's.
func (g *guard) ended() {
	if g != nil {
		_, _ = g.pipe.Write([]byte("ended\n"))
	}
}

// dismiss sends the guard away: the server has ended.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	_, _ = g.pipe.Write([]byte("dismissed\n"))
	_ = g.pipe.Close()
	_ = g.cmd.Wait()
}

// find returns the path of a program: from PATH, or from folders where packages
// put it.
func find(program, install string, folders ...string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, pattern := range folders {
		found, err := filepath.Glob(filepath.Join(pattern, program))
		if err == nil && len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed: %s (make deps does it on Debian and Ubuntu)", program, install)
}

// tool returns the path of a program that scripts/tool.sh builds and keeps.
func tool(name string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), filepath.Join(root, "scripts", "tool.sh"), name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// moduleRoot is the folder of go.mod, above the folder in which a test runs.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the repository: no go.mod above the working directory")
		}
		dir = parent
	}
}

// unprivileged returns the rights of a user that may run PostgreSQL, which refuses
// root; nil where we are not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // our own rights will do
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("run PostgreSQL: neither the user postgres nor nobody is there, and it refuses root")
}

// freePort returns a TCP port of the loopback that was free a moment ago.
func freePort() (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }() // it was only to see
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("find a free port: not an address of TCP")
	}
	return addr.Port, nil
}

// dials reports whether somebody answers at an address.
func dials(ctx context.Context, network, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	return conn.Close()
}
