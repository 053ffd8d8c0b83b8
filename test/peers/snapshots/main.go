// A management server that is not ours: go-control-plane's stream machines and its snapshot cache on one port.
// foreign-xds.test.ts writes snapshots to standard input, one JSON object a line, and reads from standard output
// what the proxy acknowledged and what it refused.
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

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	server "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

// Of standard input, in bytes.
const longestLine = 1 << 26

// Resources of one type, each in its JSON form, and their version.
type resources struct {
	Version string            `json:"version"`
	Items   []json.RawMessage `json:"items"`
}

// By URLs of types.
type line map[string]resources

// What the proxy said of a response.
type event struct {
	// Such as `ack`, `nack`, `open`.
	Event string `json:"event"`
	Type  string `json:"type,omitempty"`
	// Of the snapshot; empty in delta, which has a version for each resource.
	Version string `json:"version,omitempty"`
	Nonce   string `json:"nonce,omitempty"`
	Error   string `json:"error,omitempty"`
}

var output sync.Mutex

func tell(what event) {
	line, err := json.Marshal(what)
	if err != nil {
		log.Fatal(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}

const everyNode = "proxy"

// The test has one proxy.
type oneNode struct{}

func (oneNode) ID(*core.Node) string { return everyNode }

func callbacks() server.CallbackFuncs {
	return server.CallbackFuncs{
		StreamOpenFunc: func(_ context.Context, _ int64, kind string) error {
			tell(event{Event: "open", Type: kind})
			return nil
		},
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			answered(request.GetTypeUrl(), request.GetVersionInfo(), request.GetResponseNonce(), request.GetErrorDetail().GetMessage())
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			answered(request.GetTypeUrl(), "", request.GetResponseNonce(), request.GetErrorDetail().GetMessage())
			return nil
		},
		StreamResponseFunc: func(_ context.Context, _ int64, _ *discovery.DiscoveryRequest, response *discovery.DiscoveryResponse) {
			tell(event{Event: "sent", Type: response.GetTypeUrl(), Version: response.GetVersionInfo(), Nonce: response.GetNonce()})
		},
		StreamDeltaResponseFunc: func(_ int64, _ *discovery.DeltaDiscoveryRequest, response *discovery.DeltaDiscoveryResponse) {
			tell(event{Event: "sent", Type: response.GetTypeUrl(), Nonce: response.GetNonce()})
		},
	}
}

func answered(kind, version, nonce, problem string) {
	if nonce == "" {
		return
	}
	what := "ack"
	if problem != "" {
		what = "nack"
	}
	tell(event{Event: what, Type: kind, Version: version, Nonce: nonce, Error: problem})
}

func snapshotOf(text []byte) (*cache.Snapshot, error) {
	var read line
	if err := json.Unmarshal(text, &read); err != nil {
		return nil, err
	}
	snapshot := &cache.Snapshot{}
	for url, of := range read {
		slot := cache.GetResponseType(url)
		if slot == types.UnknownType {
			return nil, fmt.Errorf("no resources are of type %s", url)
		}
		kind, err := protoregistry.GlobalTypes.FindMessageByURL(url)
		if err != nil {
			return nil, err
		}
		items := make([]types.Resource, len(of.Items))
		for at, item := range of.Items {
			message := kind.New().Interface()
			if err := protojson.Unmarshal(item, message); err != nil {
				return nil, fmt.Errorf("%s: %w", item, err)
			}
			items[at] = message
		}
		snapshot.Resources[slot] = cache.NewResources(of.Version, items)
	}
	return snapshot, nil
}

func main() {
	snapshots := cache.NewSnapshotCache(true, oneNode{}, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	service := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(service, server.NewServer(context.Background(), snapshots, callbacks()))
	tell(event{Event: "listening", Type: listener.Addr().String()})
	go func() { log.Fatal(service.Serve(listener)) }()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		snapshot, err := snapshotOf(lines.Bytes())
		if err == nil {
			err = snapshots.SetSnapshot(context.Background(), everyNode, snapshot)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}
