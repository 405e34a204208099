// Package db opens the database.
package db

// DB is the database.
type DB struct{}
