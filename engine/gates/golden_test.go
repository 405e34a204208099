package gates

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// golden builds the engine's golden test for a machine and runs it, with more of an
// environment and under an emulator where one is given.
func golden(t *testing.T, env, more []string, emulator ...string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "engine.test")
	if out, err := goTool(t, module, env, "test", "-c", "-o", binary, "./engine"); err != nil {
		t.Fatalf("go test -c: %v\n%.2000s", err, out)
	}
	command := append(emulator, binary, "-test.run=^TestGolden$", "-test.v")
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = module + "/engine"
	cmd.Env = append(os.Environ(), more...)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestGolden")) {
		t.Fatalf("%v\n%.4000s", err, out)
	}
}

// emulator returns the path of an emulator; a machine without it proves nothing,
// so that is a failure.
func emulator(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install qemu-user-static", name)
	}
	return path
}

// The whole corpus takes an emulator minutes: it renders the part that touches every
// package.
func TestGoldenOnARM64(t *testing.T) {
	t.Parallel()
	golden(t, targets()["arm64"], []string{"PATCHLAB_CORPUS=part"}, emulator(t, "qemu-aarch64-static"))
}

// TestGoldenOnAMD64 renders as compiled for the oldest processors and for those that
// fuse, each with and without vector instructions.
func TestGoldenOnAMD64(t *testing.T) {
	t.Parallel()
	host, err := goTool(t, module, nil, "env", "GOHOSTARCH")
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(host) != "amd64" {
		golden(t, []string{"GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "CGO_ENABLED=0"}, []string{"PATCHLAB_CORPUS=part"}, emulator(t, "qemu-x86_64-static"))
		return
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	modern := err == nil && bytes.Contains(info, []byte(" avx2 ")) && bytes.Contains(info, []byte(" fma "))
	for _, build := range builds() {
		level, experiment := build[0], build[1]
		t.Run(level+" "+experiment, func(t *testing.T) {
			t.Parallel()
			if level == "v3" && !modern {
				t.Log("this processor has no AVX2 and FMA: TestNoFusedOperation still covers v3")
				return
			}
			env := []string{"GOOS=linux", "GOARCH=amd64", "GOAMD64=" + level, "GOEXPERIMENT=" + experiment, "CGO_ENABLED=0"}
			golden(t, env, nil)
			if level == "v1" && experiment == "simd" {
				// The same program on a processor that lacks them.
				golden(t, env, []string{"GODEBUG=cpu.avx2=off"})
			}
		})
	}
}

// builds returns the levels of amd64 and whether vector instructions are compiled in. Each
// compiles the standard library anew, so plain loops for new processors, of which
// TestNoFusedOperation sees every instruction, wait for make test-arch.
func builds() [][2]string {
	all := [][2]string{{"v1", "nosimd"}, {"v1", "simd"}, {"v3", "simd"}}
	if os.Getenv("PATCHLAB_ARCH") == "whole" {
		all = append(all, [2]string{"v3", "nosimd"})
	}
	return all
}

// TestGoldenOnEveryArchitecture renders the whole corpus on processors that are emulated,
// one of which stores numbers the other way round. It takes minutes, so it waits to be
// asked: make test-arch.
func TestGoldenOnEveryArchitecture(t *testing.T) {
	t.Parallel()
	if os.Getenv("PATCHLAB_ARCH") != "whole" {
		t.Log("PATCHLAB_ARCH is not whole: TestGoldenOnARM64 renders a part of the corpus")
		return
	}
	for arch, qemu := range map[string]string{"arm64": "qemu-aarch64-static", "s390x": "qemu-s390x-static"} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			golden(t, []string{"GOOS=linux", "GOARCH=" + arch, "CGO_ENABLED=0"}, nil, emulator(t, qemu))
		})
	}
}
