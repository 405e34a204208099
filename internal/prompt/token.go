package prompt

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	wordToken   tokenKind = iota
	numberToken           // digits, with sign, decimals or a fraction
	noteToken             // A4, C#3, Bb2
	otherToken            // symbols that are no common punctuation
)

// token is a piece of the prompt. start and end count UTF-16 code units.
type token struct {
	kind       tokenKind
	text       string // as typed
	norm       string // lower case
	value      float64
	start, end int
	b0, b1     int  // the same in bytes
	after      bool // a comma, full stop or the like stands before it
	sign       int8 // of a number: written + or -
	fraction   bool // written a/b
}

// tokenize cuts text into words, numbers, note names and symbols; white space
// and common punctuation only separate. Hyphens join nothing: "hi-hat" is two
// words.
func tokenize(text string) []token {
	rs := []rune(text)
	at := make([]int, len(rs)+1)    // UTF-16 offset of each rune
	bytes := make([]int, len(rs)+1) // byte offset of each rune
	for i, r := range rs {
		at[i+1] = at[i] + max(1, utf16.RuneLen(r))
		bytes[i+1] = bytes[i] + utf8.RuneLen(r)
	}
	after := false
	toks := make([]token, 0, 16)
	add := func(kind tokenKind, i, j int) *token {
		s := text[bytes[i]:bytes[j]]
		toks = append(toks, token{kind: kind, text: s, norm: strings.ToLower(s), start: at[i], end: at[j], b0: bytes[i], b1: bytes[j], after: after})
		after = false
		return &toks[len(toks)-1]
	}
	for i := 0; i < len(rs); {
		r := rs[i]
		switch {
		case isDigit(r), (r == '-' || r == '+' || r == '.' || r == '−') && i+1 < len(rs) && isDigit(rs[i+1]) && (i == 0 || !isWord(rs[i-1])):
			j, v, sign, frac := number(rs, i)
			t := add(numberToken, i, j)
			t.value, t.sign, t.fraction = v, sign, frac
			i = j
		case unicode.IsLetter(r):
			if j, hz := note(rs, i); j > 0 {
				add(noteToken, i, j).value = hz
				i = j
				continue
			}
			j := i
			for j < len(rs) && (unicode.IsLetter(rs[j]) || unicode.IsMark(rs[j]) || (rs[j] == '\'' || rs[j] == '’') && j+1 < len(rs) && unicode.IsLetter(rs[j+1])) {
				j++
			}
			add(wordToken, i, j)
			i = j
		case r == '&' || r == '+':
			add(wordToken, i, i+1).norm = "and"
			i++
		case r == '%':
			add(wordToken, i, i+1).norm = "percent"
			i++
		case unicode.IsSpace(r) || unicode.IsPunct(r):
			after = after || r == ',' || r == ';' || r == '.' || r == ':' || r == '!'
			i++
		default:
			j := i + 1
			for j < len(rs) && !unicode.IsSpace(rs[j]) && !unicode.IsPunct(rs[j]) && !unicode.IsLetter(rs[j]) && !isDigit(rs[j]) {
				j++
			}
			add(otherToken, i, j)
			i = j
		}
	}
	return toks
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }
func isWord(r rune) bool  { return isDigit(r) || unicode.IsLetter(r) }

// number reads [+-]digits with a decimal point or comma, thousands in commas
// ("1,000"), or a fraction ("1/8"), and returns where it ends. The value is
// finite whatever the number of digits.
func number(rs []rune, i int) (end int, value float64, sign int8, fraction bool) {
	j := i
	switch rs[j] {
	case '-', '−':
		sign = -1
		j++
	case '+':
		sign = 1
		j++
	}
	digits := func(k int) int {
		for k < len(rs) && isDigit(rs[k]) {
			k++
		}
		return k
	}
	s := j
	j = digits(j)
	first := s
	for j+3 < len(rs) && rs[j] == ',' && j-s <= 3 && digits(j+1) == j+4 {
		j += 4
		s = j - 3 // groups after the first have three digits, so another may follow
	}
	text := strings.ReplaceAll(string(rs[first:j]), ",", "")
	if j+1 < len(rs) && (rs[j] == '.' || rs[j] == ',') && isDigit(rs[j+1]) {
		k := digits(j + 1)
		text += "." + string(rs[j+1:k])
		j = k
	} else if j+1 < len(rs) && rs[j] == '/' && isDigit(rs[j+1]) {
		k := digits(j + 1)
		if d := parse(string(rs[j+1 : k])); d > 0 {
			return k, signed(parse(text)/d, sign), sign, true
		}
	}
	return j, signed(parse(text), sign), sign, false
}

func signed(v float64, sign int8) float64 {
	if sign < 0 {
		return -v
	}
	return v
}

func parse(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v > 1e9 {
		return 1e9 // too many digits; every parameter clamps far below
	}
	return v
}

// note reads a note name with its octave, such as A4, c#3 or Bb2, and returns
// where it ends and its frequency in Hz (A4 = 440 Hz, equal temperament); 0
// where there is none.
func note(rs []rune, i int) (end int, hz float64) {
	step := strings.IndexRune("c d ef g a b", unicode.ToLower(rs[i]))
	if step < 0 || rs[i] == ' ' {
		return 0, 0
	}
	j := i + 1
	if j < len(rs) {
		switch rs[j] {
		case '#', '♯':
			step++
			j++
		case 'b', '♭':
			step--
			j++
		}
	}
	neg := j+1 < len(rs) && rs[j] == '-' && isDigit(rs[j+1])
	if neg {
		j++
	}
	if j >= len(rs) || !isDigit(rs[j]) || j+1 < len(rs) && isWord(rs[j+1]) {
		return 0, 0
	}
	octave := int(rs[j] - '0')
	if neg {
		octave = -octave
	}
	return j + 1, 440 * pow2(float64((octave-4)*12+step-9)/12)
}
