package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is the OpenAPI description of everything here. It is a part of the program and
// not checked at a start: the tests do.
//
//go:embed openapi.yaml
var source []byte

// document is the description as far as /docs shows it.
type document struct {
	Info  struct{ Title, Version, Description string }
	Paths map[string]struct {
		Get, Post, Put, Patch, Delete, Head *operation
	}
	Components struct {
		Parameters map[string]parameter
		Responses  map[string]response
		Schemas    map[string]any
	}

	json []byte // the whole of it
}

// operation is one line of /docs.
type operation struct {
	Summary, Description string
	Parameters           []parameter
	RequestBody          struct {
		Content map[string]struct {
			Schema struct {
				Ref string `yaml:"$ref"`
			}
		}
	} `yaml:"requestBody"`
	Responses map[string]response
}

type parameter struct {
	Ref                   string `yaml:"$ref"`
	Name, In, Description string
	Required              bool
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
}

// readDocument reads the description.
func readDocument() (*document, error) {
	d := new(document)
	if err := yaml.Unmarshal(source, d); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	var whole map[string]any
	if err := yaml.Unmarshal(source, &whole); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	var err error
	if d.json, err = json.Marshal(whole); err != nil {
		return nil, fmt.Errorf("write openapi.yaml as JSON: %w", err)
	}
	return d, nil
}

// line is an operation with its place, and with what it refers to.
type line struct {
	Method, Path, Summary, Description string
	Parameters                         []parameter
	Body                               string // name of a schema
	Responses                          []answer
}

type answer struct{ Status, Description string }

// lines returns all operations in the order of their paths.
func (d *document) lines() []line {
	var out []line
	for path, item := range d.Paths {
		for method, op := range map[string]*operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete, "HEAD": item.Head,
		} {
			if op != nil {
				out = append(out, d.line(method, path, op))
			}
		}
	}
	slices.SortFunc(out, func(x, y line) int { return strings.Compare(x.Path+x.Method, y.Path+y.Method) })
	return out
}

func (d *document) line(method, path string, op *operation) line {
	l := line{Method: method, Path: path, Summary: op.Summary, Description: op.Description}
	for _, p := range op.Parameters {
		if p.Ref != "" {
			p = d.Components.Parameters[last(p.Ref)]
		}
		l.Parameters = append(l.Parameters, p)
	}
	if body, ok := op.RequestBody.Content["application/json"]; ok {
		l.Body = last(body.Schema.Ref)
	}
	for code, r := range op.Responses {
		if r.Ref != "" {
			r = d.Components.Responses[last(r.Ref)]
		}
		l.Responses = append(l.Responses, answer{code, r.Description})
	}
	slices.SortFunc(l.Responses, func(x, y answer) int { return strings.Compare(x.Status, y.Status) })
	return l
}

// last returns the name that a reference ends with.
func last(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
