// Command grpc-client calls what `xds:///` leads to and answers for itself by CSDS. Each line of standard
// input is a call, `{"target", "method", "headers", "timeoutMs"}`; each line of standard output its end,
// `{"code", "text"}`. The first line is the address of CSDS. With an argument it serves at that address, too, as the
// control plane says.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/admin"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	xdsserver "google.golang.org/grpc/xds"
)

type call struct {
	ID        int               `json:"id"`
	Target    string            `json:"target"`
	Method    string            `json:"method"`
	Headers   map[string]string `json:"headers"`
	TimeoutMs int               `json:"timeoutMs"`
}

type end struct {
	ID   int    `json:"id"`
	Code uint32 `json:"code"`
	Text string `json:"text"`
}

// asItIs carries bytes: the services of the test have no messages of their own.
type asItIs struct{}

func (asItIs) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (asItIs) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}
func (asItIs) Name() string { return "proto" }

var _ encoding.Codec = asItIs{}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	done, err := admin.Register(server)
	if err != nil {
		log.Fatal(err)
	}
	defer done()
	go server.Serve(listener)
	if len(os.Args) > 1 {
		if err := serve(os.Args[1]); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(listener.Addr())

	creds, err := xds.NewClientCredentials(xds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		log.Fatal(err)
	}
	channels := map[string]*grpc.ClientConn{}
	var printing sync.Mutex
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var asked call
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		channel := channels[asked.Target]
		if channel == nil {
			if channel, err = grpc.NewClient(asked.Target, grpc.WithTransportCredentials(creds)); err != nil {
				log.Fatal(err)
			}
			channels[asked.Target] = channel
		}
		go func() {
			ended := perform(asked, channel)
			printing.Lock()
			defer printing.Unlock()
			json.NewEncoder(os.Stdout).Encode(ended)
		}()
	}
}

func serve(address string) error {
	creds, err := xds.NewServerCredentials(xds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		return err
	}
	server, err := xdsserver.NewGRPCServer(grpc.Creds(creds), grpc.ForceServerCodec(asItIs{}))
	if err != nil {
		return err
	}
	ask := func(_ any, _ context.Context, _ func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		answer := []byte("Go")
		return &answer, nil
	}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Names",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Ask", Handler: ask}},
	}, nil)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go server.Serve(listener)
	return nil
}

func perform(asked call, channel *grpc.ClientConn) end {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(asked.TimeoutMs)*time.Millisecond)
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(asked.Headers))
	request, answer := []byte{}, []byte{}
	err := channel.Invoke(ctx, asked.Method, &request, &answer, grpc.ForceCodec(asItIs{}), grpc.WaitForReady(false))
	if err == nil {
		return end{asked.ID, 0, string(answer)}
	}
	return end{asked.ID, uint32(status.Code(err)), status.Convert(err).Message()}
}
