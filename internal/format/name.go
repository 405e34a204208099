package format

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxName is the length of the longest name of a file or a pack, in characters.
const MaxName = 80

// maxNameBytes is the length of the longest name in bytes of UTF-8: with an ending it
// fits into the 255 that most file systems have.
const maxNameBytes = 250

// CheckName says what is wrong with the name of a file of a pack, without its ending, or
// of its folder, and how to mend it; "" where nothing is. A good name means a file in its
// folder on every system.
func CheckName(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "is empty: give it 1 to 80 characters"
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	case utf8.RuneCountInString(name) > MaxName:
		return fmt.Sprintf("has %d characters: shorten it to %d", utf8.RuneCountInString(name), MaxName)
	case len(name) > maxNameBytes:
		return fmt.Sprintf("has %d bytes as UTF-8: shorten it to %d", len(name), maxNameBytes)
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.TrimSpace(name) != name:
		return "starts or ends with a dot or a space: take it away"
	}
	for _, r := range name {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return fmt.Sprintf("holds %q, which has a meaning of its own in paths: use letters, digits, spaces and -_+()", r)
		}
		if !unicode.IsPrint(r) {
			return fmt.Sprintf("holds the character U+%04X, which cannot be seen: take it away", r)
		}
	}
	if device(name) {
		return "is reserved on Windows: choose another"
	}
	return ""
}

// device reports whether Windows takes a name for that of a device, as it does whatever
// its case and its ending are.
func device(name string) bool {
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	stem = strings.TrimRight(stem, " ")
	switch stem {
	case "con", "prn", "aux", "nul", "conin$", "conout$":
		return true
	}
	port, ok := strings.CutPrefix(stem, "com")
	if !ok {
		port, ok = strings.CutPrefix(stem, "lpt")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
}

// NameKey is the same for names that some system takes for one: whatever their case is, and
// whether an accent is a character of its own.
func NameKey(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
}

// madeName is the length of the longest name made from words, in characters.
const madeName = 60

// NameOf makes a name from words: letters and digits, in lower case, with single hyphens
// between.
func NameOf(words string) string {
	var b strings.Builder
	n, gap := 0, false
	for _, r := range strings.ToLower(words) {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = n > 0
			continue
		}
		if n >= madeName || gap && n+1 >= madeName {
			break
		}
		if gap {
			b.WriteByte('-')
			n++
		}
		b.WriteRune(r)
		n++
		gap = false
	}
	if n == 0 {
		return "sound"
	}
	if CheckName(b.String()) != "" { // such as con
		b.WriteString("-sound")
	}
	return b.String()
}

// NamesOf makes a name from each of a list of words, no two alike, also where case makes
// no difference. The keys of what is taken already are in taken, and those of the new ones
// are added to it.
func NamesOf(words []string, taken map[string]bool) []string {
	names := make([]string, len(words))
	for i, w := range words {
		base := NameOf(w)
		names[i] = base
		for n := 2; taken[NameKey(names[i])]; n++ {
			names[i] = fmt.Sprintf("%s-%d", base, n)
		}
		taken[NameKey(names[i])] = true
	}
	return names
}
