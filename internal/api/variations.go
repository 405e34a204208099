package api

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"patchlab/internal/service"
)

// variations handles POST /v1/sounds/{id}/variations.
func (a *API) variations(c *gin.Context) error {
	soundID, err := bareID(c)
	if err != nil {
		return err
	}
	r, key, err := a.order(c, MaxBody)
	if err != nil {
		return err
	}
	req := readVary(r, soundID)
	if err := r.rest(); err != nil {
		return err
	}
	hash, err := requestHash(req)
	if err != nil {
		return err
	}
	job, _, err := a.opt.Farm.Vary(c.Request.Context(), caller(c), req, key, hash)
	if err != nil {
		return fmt.Errorf("accept a request for variations: %w", err)
	}
	return a.accepted(c, job)
}

// What a request for variations leaves out.
const (
	defaultCount    = 4
	defaultDistance = 0.3
)

// readVary takes the fields of a VariationsRequest. Ranges are left to the farm, which
// knows them.
func readVary(r *reader, soundID uuid.UUID) service.VaryRequest {
	req := service.VaryRequest{SoundID: soundID, Count: defaultCount, Distance: defaultDistance}
	if n, ok := r.integer("count"); ok {
		req.Count = n
	}
	if x, ok := r.number("distance"); ok {
		req.Distance = x
	}
	if n, ok := r.whole("seed", 0, math.MaxUint32); ok {
		seed := uint32(n)
		req.Seed = &seed
	}
	req.Locked = r.texts("locked")
	return req
}

// texts reads a list of texts.
func (r *reader) texts(name string) []string {
	raw, ok := r.take(name)
	if !ok {
		return nil
	}
	var list []*string // to tell null from ""
	if err := json.Unmarshal(raw, &list); err != nil {
		r.fault(name, "must be a list of texts in quotes")
		return nil
	}
	texts := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			r.fault(name, "must be a list of texts in quotes")
			return nil
		}
		texts[i] = *s
	}
	return texts
}
