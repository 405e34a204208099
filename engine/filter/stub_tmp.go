package filter

import "patchlab/engine/patch"

func NewLadder(p patch.Filter, rate float64) *SVF  { return NewSVF(p, rate, Point{Cutoff: 1000}) }
func NewComb(p patch.Filter, rate float64) *SVF    { return NewSVF(p, rate, Point{Cutoff: 1000}) }
func NewFormant(p patch.Filter, rate float64) *SVF { return NewSVF(p, rate, Point{Cutoff: 1000}) }
