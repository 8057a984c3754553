package jetstore

import (
	"testing"

	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/store/storetest"
)

const hub = "chat"

func TestUserGroups(t *testing.T) {
	t.Parallel()
	for name, engines := range map[string]func(testing.TB) []*natsd.Engine{"JetStream, one copy": alone, "JetStream, three copies": three} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, name string, with storetest.Settings, test func(*testing.T, storetest.Subject)) {
				t.Run(name, func(t *testing.T) {
					clock := newClock()
					all := &alternating{stores: newStores(t, engines(t), "contract", with, clock)}
					test(t, storetest.Subject{
						Groups: all, Now: clock.now, Elapse: clock.elapse, Slack: activityStep, Steps: 1000,
						Verify: func(*testing.T) {}, Recount: all.recount,
					})
				})
			})
		})
	}
}
