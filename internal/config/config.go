// Package config reads PatchLAB's configuration from environment variables. One
// struct holds every variable with its default, its documentation and what it
// accepts; the tables in docs/operations.md and .env.example are checked against
// it. All faults are named at once, and secrets never show.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"

	"patchlab/internal/model"
)

// Config is the configuration of a process. Each field names its variable (env),
// its default, what it accepts (want) and what it is for (doc). The value of a
// Secret may also stand in the file that NAME_FILE names.
type Config struct {
	Addr      string `env:"ADDR" envDefault:":8080" want:"host:port, with port 0 for any free one" doc:"Where the HTTP server listens. Workers and janitors serve /metrics and /api/health there; several processes on one machine need an address each."`
	PublicURL string `env:"PUBLIC_URL" want:"an http or https URL without a path" doc:"How people reach the server. With https, cookies are marked Secure. Unset: http://localhost and the port of ADDR."`
	DataDir   string `env:"DATA_DIR" envDefault:"./data" want:"a directory" doc:"Holds the SQLite database, the assets and the lock of the all-in-one process."`

	DatabaseURL Secret `env:"DATABASE_URL" want:"a postgres:// URL with sslmode" doc:"The PostgreSQL database. Unset: SQLite at DATA_DIR/patchlab.db."`
	AutoMigrate bool   `env:"AUTO_MIGRATE" envDefault:"true" want:"true or false" doc:"Bring the database schema up to date at start."`
	DBMaxConns  int    `env:"DB_MAX_CONNS" envDefault:"0" min:"0" max:"1000" want:"a whole number from 0 to 1000" doc:"The most connections of a process to its database. 0: sized to the CPUs."`
	RedisURL    Secret `env:"REDIS_URL" want:"a redis://, rediss:// or unix:// URL" doc:"The Redis of the farm. Unset: one embedded in the all-in-one process; separate processes need it."`

	S3Endpoint       string `env:"S3_ENDPOINT" want:"an http or https URL without a path" doc:"The server of an S3 bucket that keeps the assets. Unset: they are files in DATA_DIR/assets."`
	S3Bucket         string `env:"S3_BUCKET" envDefault:"patchlab" want:"a bucket name of 3 to 63 lowercase letters, digits, dots and hyphens" doc:"The bucket. It is made where it is missing."`
	S3Region         string `env:"S3_REGION" envDefault:"us-east-1" want:"a region name of letters, digits and hyphens" doc:"The region of the bucket."`
	S3AccessKey      Secret `env:"S3_ACCESS_KEY" want:"an access key; S3_ENDPOINT needs one" doc:"Who we are to the S3 server."`
	S3SecretKey      Secret `env:"S3_SECRET_KEY" want:"a secret key; S3_ENDPOINT needs one" doc:"How we prove it."`
	S3PublicEndpoint string `env:"S3_PUBLIC_ENDPOINT" want:"an http or https URL without a path, and S3_ENDPOINT too" doc:"How browsers reach the S3 server. With it, downloads are redirected there, to a signed address of 60 s. Unset: the API passes them on."`

	WorkerConcurrency Slots         `env:"WORKER_CONCURRENCY" envDefault:"auto" want:"auto or a whole number from 1 to 1024" doc:"How many tasks a worker runs at once. Bulk work (packs) may fill all but a quarter of them, at least one where there are two. auto: so many that bulk work alone uses every CPU that the machine or its cgroup grants (3 for 2 CPUs, 5 for 4)."`
	WorkerName        string        `env:"WORKER_NAME" want:"1 to 100 letters, digits, dots, hyphens and underscores" doc:"What ops know the worker by: its settings are kept by this name, over restarts. Workers that share a name share them. Unset: the name of the host."`
	RenderMaxSpeed    float64       `env:"RENDER_MAX_SPEED" envDefault:"0" min:"0" max:"100000" want:"a number from 0 to 100000" doc:"The speed limit of a render as a multiple of real time, to watch one in a demo or a test. 0: none."`
	DrainGrace        time.Duration `env:"DRAIN_GRACE" envDefault:"30s" min:"0s" max:"1h" want:"a duration from 0s to 1h, such as 30s" doc:"How long a stopping process waits for work in hand before it hands it back."`

	RateLimits      Switch `env:"RATE_LIMITS" envDefault:"on" want:"on or off" doc:"Whether rates are limited at all; off for load tests."`
	RateGenerations int    `env:"RATE_GENERATIONS" envDefault:"50" min:"1" max:"1000000" want:"a whole number from 1 to 1000000" doc:"Generations an hour that one owner may ask for, whatever their size."`
	RatePacks       int    `env:"RATE_PACKS" envDefault:"20" min:"1" max:"1000000" want:"a whole number from 1 to 1000000" doc:"Packs an hour that one owner may ask for or build again, whatever their size."`
	RateRequests    int    `env:"RATE_REQUESTS" envDefault:"100" min:"1" max:"1000000" want:"a whole number from 1 to 1000000" doc:"Other requests a minute from one address."`
	MaxJobSamples   int64  `env:"MAX_JOB_SAMPLES" envDefault:"33554432" min:"1" max:"4294967296" want:"a whole number from 1 to 4294967296" doc:"The most samples of one request: variations × duration × rate × channels."`
	MaxQueued       int    `env:"MAX_QUEUED" envDefault:"1000" min:"1" max:"1000000" want:"a whole number from 1 to 1000000" doc:"The most unfinished renders of one owner."`

	AnonymousTTL time.Duration `env:"ANONYMOUS_TTL" envDefault:"24h" min:"1m" max:"8760h" want:"a duration from 1m to 8760h, such as 24h" doc:"How long the sounds of a visitor without an account live."`
	AssetTTL     time.Duration `env:"ASSET_TTL" envDefault:"720h" min:"0s" max:"87600h" want:"a duration from 0s to 87600h, such as 720h" doc:"How long the audio of users' sounds, and the ZIPs of their packs, are kept. The sounds stay, and are rendered again for a download. 0s: for ever."`
	DeleteGrace  time.Duration `env:"DELETE_GRACE" envDefault:"24h" min:"1m" max:"8760h" want:"a duration from 1m to 8760h, such as 24h" doc:"How long what was deleted can be brought back."`

	AdminToken Secret `env:"ADMIN_TOKEN" want:"at least 16 characters without spaces" doc:"Who sends it as Authorization: Bearer may use /v1/admin. Unset: there is no /v1/admin."`

	TrustedProxies []string   `env:"TRUSTED_PROXIES" envSeparator:"," want:"addresses or networks, separated by commas" doc:"Proxies whose X-Forwarded-For is believed. Unset: none."`
	LogLevel       slog.Level `env:"LOG_LEVEL" envDefault:"info" want:"debug, info, warn or error" doc:"The least level that is logged."`
}

// DotEnv is the file of variables that is read from the working directory, for
// development. The environment outranks it.
const DotEnv = ".env"

// Fault is one variable that is wrong.
type Fault struct {
	Name    string // of the variable
	Message string // what is wrong and what would be right; never the value of a secret
}

// Error lists every fault of a configuration.
type Error struct{ Faults []Fault }

// Error implements error, one line for each fault.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is not usable:")
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n  %s: %s", f.Name, f.Message)
	}
	return b.String()
}

// FromOS loads the configuration of this process.
func FromOS() (Config, error) {
	return Load(os.Environ(), func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Clean(name))
	})
}

// Load reads the configuration from environ ("NAME=value") and, where readFile
// finds one, from DotEnv. An empty value counts as unset. Its error is an *Error
// that names every fault.
func Load(environ []string, readFile func(name string) ([]byte, error)) (Config, error) {
	l := loader{vars: map[string]string{}, readFile: readFile}
	l.dotEnv()
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			l.vars[name] = value
		}
	}
	for name, value := range l.vars {
		if strings.TrimSpace(value) == "" {
			delete(l.vars, name)
		}
	}
	l.secretFiles()

	var c Config
	err := env.ParseWithOptions(&c, env.Options{Environment: l.vars})
	l.parseFaults(err)
	l.ranges(c)
	l.check(&c)
	if len(l.faults) > 0 {
		return Config{}, &Error{Faults: l.faults}
	}
	return c, nil
}

// loader gathers faults.
type loader struct {
	vars     map[string]string
	readFile func(string) ([]byte, error)
	faults   []Fault
}

// fault records one fault of a variable; the first is enough.
func (l *loader) fault(name, format string, args ...any) {
	for _, f := range l.faults {
		if f.Name == name {
			return
		}
	}
	l.faults = append(l.faults, Fault{Name: name, Message: fmt.Sprintf(format, args...)})
}

// wants records that the value of a variable is not what its tag says.
func (l *loader) wants(name string) {
	for _, v := range Variables() {
		switch {
		case v.Name != name:
		case v.Secret, strings.Contains(l.vars[name], "@"): // a password, where none belongs
			l.fault(name, "must be %s (its value is not shown)", v.Want)
		default:
			l.fault(name, "must be %s, not %q", v.Want, l.vars[name])
		}
	}
}

func (l *loader) dotEnv() {
	data, err := l.readFile(DotEnv)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		l.fault(DotEnv, "cannot be read: %v", err)
		return
	}
	vars, err := godotenv.UnmarshalBytes(data)
	if err != nil {
		// The parser quotes what it stumbled over, which may be a secret.
		l.fault(DotEnv, "must hold lines of NAME=value")
		return
	}
	l.vars = vars
}

func (l *loader) secretFiles() {
	for _, v := range Variables() {
		if !v.Secret {
			continue
		}
		file, ok := l.vars[v.Name+"_FILE"]
		if !ok {
			continue
		}
		if _, both := l.vars[v.Name]; both {
			l.fault(v.Name, "is set twice, here and by %s_FILE", v.Name)
			continue
		}
		data, err := l.readFile(file)
		if err != nil {
			l.fault(v.Name+"_FILE", "cannot be read: %v", err)
			continue
		}
		value := strings.TrimRight(string(data), "\r\n")
		if value == "" {
			l.fault(v.Name+"_FILE", "names a file that is empty: %s", file)
			continue
		}
		l.vars[v.Name] = value
	}
}

// parseFaults turns the parser's errors, which know fields, into faults of variables.
func (l *loader) parseFaults(err error) {
	if err == nil {
		return
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		l.fault("environment", "%v", err)
		return
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		field, ok := reflect.StructField{}, false
		if errors.As(err, &parse) {
			field, ok = reflect.TypeFor[Config]().FieldByName(parse.Name)
		}
		if !ok {
			l.fault("environment", "%v", err)
			continue
		}
		l.wants(field.Tag.Get("env"))
	}
}

// ranges holds the numbers and durations to their min and max tags.
func (l *loader) ranges(c Config) {
	value := reflect.ValueOf(c)
	for i := range value.NumField() {
		field := value.Type().Field(i)
		lowest, highest := field.Tag.Get("min"), field.Tag.Get("max")
		if lowest == "" || highest == "" {
			continue
		}
		var x float64
		switch v := value.Field(i).Interface().(type) {
		case int:
			x = float64(v)
		case int64:
			x = float64(v)
		case float64:
			x = v
		case time.Duration:
			x = v.Seconds()
		}
		// Written so that NaN is outside too.
		if !(x >= bound(lowest) && x <= bound(highest)) {
			l.wants(field.Tag.Get("env"))
		}
	}
}

// bound reads a min or max tag: a number, or a duration in seconds. A tag that is
// neither fails the package's tests.
func bound(tag string) float64 {
	if d, err := time.ParseDuration(tag); err == nil {
		return d.Seconds()
	}
	x, err := strconv.ParseFloat(tag, 64)
	if err != nil {
		panic("config: bad bound " + tag)
	}
	return x
}

// check holds the rest to its rules and fills in what follows from other values.
func (l *loader) check(c *Config) {
	host, port, err := net.SplitHostPort(c.Addr)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		l.wants("ADDR")
	} else if c.PublicURL == "" {
		if host == "" || host == "0.0.0.0" || host == "::" {
			host = "localhost"
		}
		c.PublicURL = "http://" + net.JoinHostPort(host, strconv.FormatUint(n, 10))
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if c.PublicURL != "" && !origin(c.PublicURL) {
		l.wants("PUBLIC_URL")
	}
	if c.DatabaseURL != "" && !urlWith(c.DatabaseURL.Reveal(), "postgres", "postgresql") {
		l.wants("DATABASE_URL")
	}
	if c.RedisURL != "" && !urlWith(c.RedisURL.Reveal(), "redis", "rediss", "unix") {
		l.wants("REDIS_URL")
	}
	l.checkS3(c)
	if n := c.WorkerName; len(n) > 100 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
		l.wants("WORKER_NAME")
	}
	if t := c.AdminToken.Reveal(); t != "" && (len(t) < 16 || strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' })) {
		l.wants("ADMIN_TOKEN")
	}
	for i, p := range c.TrustedProxies {
		p = strings.TrimSpace(p)
		c.TrustedProxies[i] = p
		_, perr := netip.ParsePrefix(p)
		_, aerr := netip.ParseAddr(p)
		if perr != nil && aerr != nil {
			l.wants("TRUSTED_PROXIES")
		}
	}
}

// checkS3 holds the settings of the store to one another: half of them would be a
// store on the disk that somebody thinks is a bucket.
func (l *loader) checkS3(c *Config) {
	c.S3Endpoint, c.S3PublicEndpoint = strings.TrimSuffix(c.S3Endpoint, "/"), strings.TrimSuffix(c.S3PublicEndpoint, "/")
	if c.S3Endpoint != "" && !origin(c.S3Endpoint) {
		l.wants("S3_ENDPOINT")
	}
	if !bucketName(c.S3Bucket) {
		l.wants("S3_BUCKET")
	}
	if strings.Trim(c.S3Region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		l.wants("S3_REGION")
	}
	if c.S3PublicEndpoint != "" && (!origin(c.S3PublicEndpoint) || c.S3Endpoint == "") {
		l.wants("S3_PUBLIC_ENDPOINT")
	}
	for name, key := range map[string]Secret{"S3_ACCESS_KEY": c.S3AccessKey, "S3_SECRET_KEY": c.S3SecretKey} {
		switch {
		case c.S3Endpoint != "" && key == "":
			l.wants(name)
		case c.S3Endpoint == "" && key != "":
			l.fault(name, "is set, but S3_ENDPOINT is not")
		}
	}
}

// origin reports whether s is an http or https URL with nothing but a host.
func origin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		u.Host != "" && u.User == nil && u.Path == "" && u.RawQuery == "" && u.Fragment == ""
}

// bucketName reports whether S3 takes a name for a bucket.
func bucketName(s string) bool {
	const least, most = 3, 63
	if len(s) < least || len(s) > most {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && strings.Trim(s, ".-") == s
}

// urlWith reports whether s is a URL of one of the schemes; a PostgreSQL one
// must say its sslmode, because the driver's default is not what people expect.
func urlWith(s string, schemes ...string) bool {
	u, err := url.Parse(s)
	if err != nil || (u.Host == "" && u.Path == "") {
		return false
	}
	for _, scheme := range schemes {
		if u.Scheme == scheme {
			return !strings.HasPrefix(scheme, "postgres") || u.Query().Get("sslmode") != ""
		}
	}
	return false
}

// DatabasePath is the SQLite file, used where DATABASE_URL is unset.
func (c Config) DatabasePath() string { return filepath.Join(c.DataDir, "patchlab.db") }

// AssetDir is the directory of stored sounds.
func (c Config) AssetDir() string { return filepath.Join(c.DataDir, "assets") }

// LogValue implements slog.LogValuer with every variable, secrets redacted.
func (c Config) LogValue() slog.Value {
	value := reflect.ValueOf(c)
	attrs := make([]slog.Attr, 0, value.NumField())
	for i := range value.NumField() {
		v := value.Field(i).Interface()
		if s, ok := v.(fmt.Stringer); ok {
			v = s.String()
		}
		attrs = append(attrs, slog.Any(value.Type().Field(i).Tag.Get("env"), v))
	}
	return slog.GroupValue(attrs...)
}

// Slots is a number of tasks at once; 0 is auto.
type Slots int

// UnmarshalText reads "auto" or a number.
func (s *Slots) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*s = 0
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > model.MaxSlots {
		return errors.New("not a number of slots")
	}
	*s = Slots(n)
	return nil
}

// String implements fmt.Stringer.
func (s Slots) String() string {
	if s == 0 {
		return "auto"
	}
	return strconv.Itoa(int(s))
}

// Count returns the number of tasks at once. The Go runtime sizes GOMAXPROCS
// to what the cgroup grants.
func (s Slots) Count() int {
	if s == 0 {
		return model.SlotsFor(runtime.GOMAXPROCS(0))
	}
	return int(s)
}

// Switch is on or off.
type Switch bool

// UnmarshalText reads "on" or "off".
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on":
		*s = true
	case "off":
		*s = false
	default:
		return errors.New("neither on nor off")
	}
	return nil
}

// String implements fmt.Stringer.
func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}
