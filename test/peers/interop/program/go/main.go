// Command interop is Go's net/http on both sides of a proxy: `serve h1|h2` prints its port and runs until its
// standard input ends; `ask VERSION ROOT` reads requests as JSON from standard input and prints answers;
// `stream VERSION ROOT URL` prints a body as it comes.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

const largeBytes = 1 << 20

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		err = serve(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "ask":
		err = ask(os.Args[2], os.Args[3])
	case len(os.Args) == 5 && os.Args[1] == "stream":
		err = stream(os.Args[2], os.Args[3], os.Args[4])
	default:
		err = fmt.Errorf("serve h1|h2, or ask 1.1|2 ROOT")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(protocol string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "hello from go-%s", protocol) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("large"), largeBytes/5))
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		// Over HTTP/1.1 an answer that begins before the end of the body ends the reading of it.
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "none")
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(protocol == "h1")
	protocols.SetUnencryptedHTTP2(protocol == "h2")
	server := &http.Server{Handler: mux, Protocols: protocols}
	go func() { _ = server.Serve(listener) }()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

type question struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   string `json:"body"`
}

type answer struct {
	Status int    `json:"status"`
	Sha256 string `json:"sha256"`
}

func clientOf(version, rootFile string) (*http.Client, error) {
	pem, err := os.ReadFile(rootFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == "1.1")
	protocols.SetHTTP2(version == "2")
	protocols.SetUnencryptedHTTP2(version == "2")
	return &http.Client{Transport: &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

func stream(version, rootFile, url string) error {
	client, err := clientOf(version, rootFile)
	if err != nil {
		return err
	}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func ask(version, rootFile string) error {
	client, err := clientOf(version, rootFile)
	if err != nil {
		return err
	}
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		return err
	}
	answers := []answer{}
	for _, one := range questions {
		var body io.Reader
		if one.Body != "" {
			file, err := os.Open(one.Body)
			if err != nil {
				return err
			}
			defer file.Close()
			body = file
		}
		request, err := http.NewRequest(one.Method, one.URL, body)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, response.Body); err != nil {
			return err
		}
		response.Body.Close()
		answers = append(answers, answer{response.StatusCode, hex.EncodeToString(sum.Sum(nil))})
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}
