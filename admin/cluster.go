package admin

import (
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Cluster is this node as one of several. Its methods may be called concurrently.
type Cluster interface {
	// Stats are this node's, and cost little.
	Stats() ClusterStats
	// Status asks all nodes, which takes seconds at most.
	Status(ctx context.Context) ClusterStatus
	// NotReady is why the node should get no clients, "" if it should.
	NotReady(ctx context.Context) string
	// RemoveVoter takes a voter that is gone for good out of those that keep the store.
	RemoveVoter(ctx context.Context, name string) error
	// Settings are those that the nodes share. ChangeSettings stores others, which follow those with the
	// number after. Its error is ErrInvalid, ErrConflict, or of a store that does not answer.
	Settings(ctx context.Context) (SharedText, error)
	ChangeSettings(ctx context.Context, text []byte, after uint64) (number uint64, err error)
	// Export writes what is stored of users and says of how many; Import stores it again.
	Export(ctx context.Context, w io.Writer) (users int, err error)
	Import(ctx context.Context, r io.Reader) (Imported, error)
}

// ClusterStats are of this node at one moment. Counters never decrease.
type ClusterStats struct {
	// Node is the name, Incarnation that of this run, Address where other nodes reach it; "" if a NATS
	// server outside joins them.
	Node        string `json:"node"`
	Incarnation string `json:"incarnation"`
	Version     string `json:"version"`
	Address     string `json:"address,omitempty"`
	// Alone: no other node can join this one. What it stores is its own, and it shares no settings.
	Alone bool `json:"alone,omitempty"`
	// Isolated: the node has no link with one that others have a link with, and takes no clients.
	Isolated bool   `json:"isolated"`
	Peers    []Peer `json:"peers"`
	// Settings is what this node knows of the settings that the nodes share.
	Settings SharedSettings `json:"sharedSettings"`
	// Lease is how long this node may be without the store before others give it up.
	Lease time.Duration `json:"leaseNanoseconds"`
	// Unlike are the parts of the settings in which other nodes differ from this one, by their names.
	Unlike map[string][]string `json:"unlikeSettings,omitempty"`
	// Names is for how many hubs, groups, users and connections others send to this node.
	Names  int          `json:"names"`
	Engine EngineStats  `json:"engine"`
	Odd    OddPackets   `json:"odd"`
	Former CommandBooks `json:"former"`
	// Late are announcements that did not wait for all nodes.
	Late uint64 `json:"lateAnnouncements"`
}

// EngineStats are counters by reasons of closed lists.
type EngineStats struct {
	// Troubles are of what joins the nodes, Store of what keeps memberships of users.
	Troubles map[string]uint64 `json:"troubles"`
	Store    map[string]uint64 `json:"store"`
	// Life is what happened for the end of clients to be told, Lease to the lease of this node.
	Life  map[string]uint64 `json:"life"`
	Lease map[string]uint64 `json:"lease"`
	// Fenced: others may give this node up, and it tells of no end of a client.
	Fenced bool `json:"fenced"`
	// DroppedPackets were not taken fast enough in this process.
	DroppedPackets int `json:"droppedPackets"`
}

// OddPackets are packets and frames that nothing was done with.
type OddPackets struct {
	Malformed uint64 `json:"malformed"`
	Ignored   uint64 `json:"ignored"`
	Strangers uint64 `json:"strangers"`
}

// Peer is another node, as this one sees it.
type Peer struct {
	Node        string        `json:"node"`
	Incarnation string        `json:"incarnation"`
	State       string        `json:"state"`
	Version     string        `json:"version"`
	Protocol    uint64        `json:"protocol"`
	Age         time.Duration `json:"ageNanoseconds"`
	RoundTrip   time.Duration `json:"roundTripNanoseconds"`
	QueuedBytes int           `json:"queuedBytes"`
	Books       CommandBooks  `json:"books"`
}

// CommandBooks are of commands for a peer: Handed = Acknowledged + Dropped + Queued.
type CommandBooks struct {
	Handed       uint64            `json:"handed"`
	Acknowledged uint64            `json:"acknowledged"`
	Queued       uint64            `json:"queued"`
	Received     uint64            `json:"received"`
	Dropped      map[string]uint64 `json:"dropped"`
}

// ClusterStatus is all that is known of the cluster.
type ClusterStatus struct {
	ClusterStats
	// NotReady is why this node should get no clients, "" if it should.
	NotReady string      `json:"notReady,omitempty"`
	Store    StoreStatus `json:"store"`
	// Nodes are those that answered, by name.
	Nodes []NodeStatus `json:"nodes"`
	// Error is why Nodes and Store are not known.
	Error string `json:"error,omitempty"`
}

// StoreStatus is what the voters say of each other.
type StoreStatus struct {
	// Named are the voters that this node was told of.
	Named  []string `json:"named"`
	Voters int      `json:"voters"`
	There  int      `json:"there"`
	Quorum int      `json:"quorum"`
	Leader string   `json:"leader"`
	Copies int      `json:"copies"`
}

// NodeStatus is what one node says of itself.
type NodeStatus struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Engine  string    `json:"engine"`
	Voter   bool      `json:"voter"`
	Started time.Time `json:"started"`
	Routes  int       `json:"routes"`
	// Lag is how many decisions of the voters this voter has not carried out yet.
	Lag           uint64 `json:"lag"`
	SlowConsumers int64  `json:"slowConsumers"`
}

// Imported is what became of an import, in users.
type Imported struct {
	Users int `json:"users"`
	Kept  int `json:"kept"`
	Ended int `json:"ended"`
}

// WatchCluster makes c the cluster that is shown and asked whether the node is ready.
func (a *Admin) WatchCluster(c Cluster) {
	a.cluster.Store(&c)
	a.node.watchCluster(c)
}

// errAlone answers those who ask a node for others.
var errAlone = errors.New("this node is alone and keeps nothing: it was started without --cluster-listen, --nats-url and --data-dir")

// clustered lets a request through that may ask for the cluster.
func (a *Admin) clustered(handle func(c Cluster, w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return a.live(func(_ *View, w http.ResponseWriter, r *http.Request) {
		c := a.cluster.Load()
		if c == nil {
			text(w, http.StatusNotFound, errAlone.Error()+"\n")
			return
		}
		handle(*c, w, r)
	})
}

// serveCluster answers browsers with a page, all others with JSON.
func serveCluster(c Cluster, w http.ResponseWriter, r *http.Request) {
	s := c.Status(r.Context())
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		answerJSON(w, &s)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = clusterPage().Execute(w, clusterShown{&s, ClusterColumns[:]}) // a reader that left needs no answer
}

// clusterPage shows a clusterShown.
var clusterPage = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(pageFiles, "page/cluster.html"))
})

type clusterShown struct {
	*ClusterStatus
	Columns []string
}

func serveRemoveVoter(c Cluster, w http.ResponseWriter, r *http.Request) {
	if err := c.RemoveVoter(r.Context(), r.PathValue("name")); err != nil {
		text(w, http.StatusConflict, err.Error()+"\n")
		return
	}
	text(w, http.StatusOK, "removed\n")
}

func serveExport(c Cluster, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	if _, err := c.Export(r.Context(), w); err != nil {
		panic(http.ErrAbortHandler) // half an export must not look whole
	}
}

func serveImport(c Cluster, w http.ResponseWriter, r *http.Request) {
	done, err := c.Import(r.Context(), r.Body)
	if err != nil {
		text(w, http.StatusConflict, err.Error()+"\n")
		return
	}
	answerJSON(w, done)
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a reader that left needs no answer
}
