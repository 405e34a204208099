package db

import (
	"context"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// schema is what a set of migrations makes, as far as both dialects must agree.
type schema struct {
	tables  map[string]*table
	indexes map[string]string // name → the rest of its definition
	rows    []string          // what the migrations insert
}

type table struct {
	columns     []column
	constraints []string
}

type column struct {
	name, kind string // kind in PostgreSQL's words
	notNull    bool
	rest       string // default, check, unique, primary key, reference
}

var (
	createTable = regexp.MustCompile(`^CREATE TABLE ([a-z_]+) \($`)
	columnLine  = regexp.MustCompile(`^([a-z_]+) ([A-Z]+) (NOT NULL|NULL)(.*)$`)
	addColumn   = regexp.MustCompile(`^ALTER TABLE ([a-z_]+) ADD COLUMN (.*);$`)
	dropIndex   = regexp.MustCompile(`^DROP INDEX ([a-z_]+);$`)
	createIndex = regexp.MustCompile(`^CREATE (UNIQUE )?INDEX ([a-z_]+) ON (.*);$`)
)

// parse reads one set of migrations. It knows the few forms that the files use and
// refuses everything else, so nothing escapes the comparison.
func parse(t *testing.T, dialect Dialect) schema {
	t.Helper()
	s := schema{tables: map[string]*table{}, indexes: map[string]string{}}
	for _, file := range upFiles(t, dialect) {
		data, err := migrations.ReadFile(file)
		require.NoError(t, err)
		var current *table
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			switch m := createTable.FindStringSubmatch(line); {
			case line == "" || strings.HasPrefix(line, "--"):
			case m != nil:
				current = &table{}
				s.tables[m[1]] = current
			case line == ");":
				current = nil
			case current != nil:
				current.add(t, dialect, strings.TrimSuffix(line, ","))
			case createIndex.MatchString(line):
				m := createIndex.FindStringSubmatch(line)
				s.indexes[m[2]] = m[1] + m[3]
			case dropIndex.MatchString(line):
				delete(s.indexes, dropIndex.FindStringSubmatch(line)[1])
			case addColumn.MatchString(line):
				m := addColumn.FindStringSubmatch(line)
				s.tables[m[1]].add(t, dialect, m[2])
			case strings.HasPrefix(line, "UPDATE "): // of what is there, the same in both
				s.rows = append(s.rows, line)
			case strings.HasPrefix(line, "INSERT INTO "):
				s.rows = append(s.rows, line)
			default:
				t.Errorf("%s: this test does not understand %q", file, line)
			}
		}
	}
	return s
}

func (tb *table) add(t *testing.T, dialect Dialect, line string) {
	t.Helper()
	m := columnLine.FindStringSubmatch(line)
	if m == nil {
		require.Regexp(t, `^(CHECK|UNIQUE|PRIMARY KEY) `, line)
		tb.constraints = append(tb.constraints, line)
		return
	}
	c := column{name: m[1], kind: m[2], notNull: m[3] == "NOT NULL", rest: strings.TrimSpace(m[4])}
	if dialect == SQLite {
		json := "CHECK (json_valid(" + c.name + "))"
		switch {
		case strings.Contains(c.rest, json):
			require.Equal(t, "TEXT", c.kind)
			c.kind, c.rest = "JSONB", strings.TrimSpace(strings.Replace(c.rest, json, "", 1))
		case c.kind == "TIMESTAMP":
			c.kind = "TIMESTAMPTZ"
		case c.kind == "BLOB":
			c.kind = "BYTEA"
		}
	}
	tb.columns = append(tb.columns, c)
}

// same reports whether two columns mean the same. SQLite has one integer, and
// keeps UUIDs as text.
func same(pg, lite column) bool {
	switch pg.kind {
	case "BIGINT":
		pg.kind = "INTEGER"
	case "UUID":
		pg.kind = "TEXT"
	}
	return pg == lite
}

func upFiles(t *testing.T, dialect Dialect) []string {
	t.Helper()
	files, err := fs.Glob(migrations, "migrations/"+string(dialect)+"/*.up.sql")
	require.NoError(t, err)
	slices.Sort(files)
	return files
}

func TestBothSetsHaveTheSameVersions(t *testing.T) {
	t.Parallel()
	names := func(d Dialect) []string {
		var out []string
		files, err := fs.Glob(migrations, "migrations/"+string(d)+"/*.sql")
		require.NoError(t, err)
		for _, f := range files {
			out = append(out, filepath.Base(f))
		}
		slices.Sort(out)
		return out
	}
	assert.NotEmpty(t, names(SQLite))
	assert.Equal(t, names(Postgres), names(SQLite))
	for _, f := range upFiles(t, SQLite) {
		assert.Contains(t, names(SQLite), strings.Replace(filepath.Base(f), ".up.", ".down.", 1))
	}
	// A migration must note that it is through, or a crash could not be mended.
	for _, d := range []Dialect{SQLite, Postgres} {
		for _, f := range upFiles(t, d) {
			data, err := migrations.ReadFile(f)
			require.NoError(t, err)
			number := strings.TrimLeft(strings.SplitN(filepath.Base(f), "_", 2)[0], "0")
			assert.Contains(t, string(data), "INSERT INTO migrations_done (version) VALUES ("+number+");", f)
		}
	}
}

func TestSchemaParity(t *testing.T) {
	t.Parallel()
	pg, lite := parse(t, Postgres), parse(t, SQLite)
	assert.Equal(t, pg.rows, lite.rows)
	assert.Equal(t, pg.indexes, lite.indexes)
	assert.Len(t, lite.tables, len(pg.tables))
	for name, p := range pg.tables {
		l := lite.tables[name]
		if !assert.NotNil(t, l, name) {
			continue
		}
		assert.Equal(t, p.constraints, l.constraints, name)
		if !assert.Len(t, l.columns, len(p.columns), name) {
			continue
		}
		for i, c := range p.columns {
			assert.True(t, same(c, l.columns[i]), "%s: %+v is not %+v", name, c, l.columns[i])
		}
	}
}

// TestTheParserIsRight compares what the parser reads with what SQLite made of it.
func TestTheParserIsRight(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, err := Open(ctx, Config{Path: filepath.Join(t.TempDir(), "x.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Migrate(ctx))

	parsed := parse(t, SQLite)
	var tables []string
	require.NoError(t, d.Reader().Select(ctx, &tables,
		`SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'schema_migrations' AND name NOT LIKE 'sqlite_%' ORDER BY name`))
	assert.Len(t, parsed.tables, len(tables))
	for _, name := range tables {
		want := parsed.tables[name]
		require.NotNil(t, want, name)
		var columns []struct {
			Name    string `db:"name"`
			NotNull bool   `db:"not_null"`
			PK      bool   `db:"pk"`
		}
		require.NoError(t, d.Reader().Select(ctx, &columns, `SELECT name, "notnull" AS not_null, pk > 0 AS pk FROM pragma_table_info(?)`, name))
		require.Len(t, columns, len(want.columns), name)
		all := strings.Join(want.constraints, "\n")
		for i, c := range columns {
			w := want.columns[i]
			assert.Equal(t, w.name, c.Name)
			assert.Equal(t, w.notNull, c.NotNull, "%s.%s", name, w.name)
			inKey := regexp.MustCompile(`PRIMARY KEY \([^)]*\b` + w.name + `\b`).MatchString(all)
			assert.Equal(t, strings.Contains(w.rest, "PRIMARY KEY") || inKey, c.PK, "%s.%s", name, w.name)
		}
		var references []struct {
			From   string `db:"from_column"`
			Table  string `db:"table_name"`
			Delete string `db:"on_delete"`
		}
		require.NoError(t, d.Reader().Select(ctx, &references,
			`SELECT "from" AS from_column, "table" AS table_name, on_delete FROM pragma_foreign_key_list(?)`, name))
		for _, w := range want.columns {
			if !strings.Contains(w.rest, "REFERENCES") {
				continue
			}
			found := slices.IndexFunc(references, func(r struct {
				From   string `db:"from_column"`
				Table  string `db:"table_name"`
				Delete string `db:"on_delete"`
			},
			) bool {
				return r.From == w.name && strings.Contains(w.rest, "REFERENCES "+r.Table+" (") &&
					(r.Delete == "NO ACTION" || strings.HasSuffix(w.rest, "ON DELETE "+r.Delete))
			})
			assert.NotEqual(t, -1, found, "%s.%s", name, w.name)
			if found >= 0 {
				references = slices.Delete(references, found, found+1)
			}
		}
		assert.Empty(t, references, name)
	}
	var indexes []string
	require.NoError(t, d.Reader().Select(ctx, &indexes, `SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name <> 'version_unique'`))
	assert.Len(t, parsed.indexes, len(indexes))
}

func TestDownUndoesUp(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d, err := Open(ctx, Config{Path: filepath.Join(t.TempDir(), "x.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	for range 2 {
		require.NoError(t, d.Migrate(ctx))
		m, err := d.migrator(ctx)
		require.NoError(t, err)
		require.NoError(t, m.Down())
		source, target := m.Close()
		require.NoError(t, source)
		require.NoError(t, target)
		var left []string
		require.NoError(t, d.Reader().Select(ctx, &left, `SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'schema_migrations' AND name NOT LIKE 'sqlite_%'`))
		assert.Empty(t, left)
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	const q = `SELECT id FROM tasks WHERE lane = ? LIMIT ? FOR UPDATE SKIP LOCKED`
	assert.Equal(t, `SELECT id FROM tasks WHERE lane = $1 LIMIT $2 FOR UPDATE SKIP LOCKED`, bind(Postgres, q))
	assert.Equal(t, `SELECT id FROM tasks WHERE lane = ? LIMIT ?`, bind(SQLite, q))
	assert.Equal(t, `SELECT 1 FROM jobs WHERE id = ?`, bind(SQLite, `SELECT 1 FROM jobs WHERE id = ? FOR UPDATE`))
}
