package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"patchlab/internal/config"
)

// healthTimeout bounds a probe: a server that needs longer is not well.
const healthTimeout = 3 * time.Second

// Health asks the server of this configuration, on this machine, whether it is
// ready. It is what a container's health check runs, where there is no shell.
func Health(ctx context.Context, cfg config.Config) error {
	host, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return fmt.Errorf("read ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/api/health", nil)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // nothing more to learn from it
	if res.StatusCode != http.StatusOK {
		const most = 4 << 10
		body, err := io.ReadAll(io.LimitReader(res.Body, most))
		if err != nil {
			return fmt.Errorf("ask for health: %w", err)
		}
		return fmt.Errorf("not ready (%s): %s", res.Status, body)
	}
	return nil
}

// HealthMain probes the server of this process's environment and returns an exit
// code, 0 where it is ready.
func HealthMain(ctx context.Context, stderr io.Writer) int {
	cfg, err := config.FromOS()
	if err == nil {
		err = Health(ctx, cfg)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}
