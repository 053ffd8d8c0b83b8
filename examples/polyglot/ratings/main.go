// ratings: stars out of five, per book. GET /ratings.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const drainTime = 5 * time.Second

var stars = map[string]int{"1": 5, "2": 4, "3": 3, "4": 4, "5": 2, "6": 5}

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/ratings", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"version":  setting("SERVICE_VERSION", "v1"),
			"instance": setting("HOSTNAME", "local"),
			"language": "Go",
			"ratings":  stars,
		})
	})
	server := &http.Server{Addr: net.JoinHostPort(setting("HOST", "0.0.0.0"), setting("PORT", "9080")), Handler: mux}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		<-stop.Done()
		deadline, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		_ = server.Shutdown(deadline)
	}()
	log.Printf("ratings on http://%s, Go", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-drained
}

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
