package serviceprotocol

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGroupMembers(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		page      GroupMembers
	}{
		{"an empty page", "9290c0", GroupMembers{}},
		{"one member and a token", "929192a24331a27531a3746f6b", GroupMembers{[]GroupMember{{"C1", "u1"}}, "tok"}},
		{"a member without a user", "929292a24331c092a24332a27531c0", GroupMembers{[]GroupMember{{"C1", ""}, {"C2", "u1"}}, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, "ff"+c.hex, hex.EncodeToString(c.page.Append([]byte{0xff})))
			page, err := ParseGroupMembers(unhex(t, c.hex))
			require.NoError(t, err)
			require.Equal(t, &c.page, page)
		})
	}
}

func TestGroupMembersTolerance(t *testing.T) {
	want := &GroupMembers{[]GroupMember{{"C1", ""}}, ""}
	for name, body := range map[string]string{
		"further elements": "949193a24331c080c0c081a16101",
		"no token":         "919191a24331",
		"a member by id":   "929191a24331c0",
		"nil for no token": "929192a24331c0c0",
		"an empty user id": "929192a24331a0a0",
	} {
		page, err := ParseGroupMembers(unhex(t, body))
		require.NoError(t, err, name)
		require.Equal(t, want, page, name)
	}
	for name, body := range map[string]string{
		"nothing": "", "a text": "a161", "members that are a map": "9280c0", "a member that is a text": "9291a161c0",
		"members that are not there": "9292", "too many members": "92ddffffffff", "bytes behind": "9290c000",
		"an id that is a number": "92919201c0c0",
	} {
		_, err := ParseGroupMembers(unhex(t, body))
		require.ErrorIs(t, err, ErrMalformed, name)
	}
}

func TestGroupMemberQueryForms(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       GroupMemberQuery
	}{
		{"as known", "962880a1670805a3746f6b", GroupMemberQuery{Group: "g", AckID: 8, Max: 5, Token: "tok"}},
		{"no bound", "962880a16708c0c0", GroupMemberQuery{Group: "g", AckID: 8}},
		{"bound 0", "962880a1670800c0", GroupMemberQuery{Group: "g", AckID: 8}},
		{"bound below 0", "962880a16708ffc0", GroupMemberQuery{Group: "g", AckID: 8}},
		{"two bounds", "972880a167080502a3746f6b", GroupMemberQuery{Group: "g", AckID: 8, Max: 2, Token: "tok"}},
		{"two bounds, token between", "972880a1670805a3746f6b09", GroupMemberQuery{Group: "g", AckID: 8, Max: 5, Token: "tok"}},
		{"two bounds, one nil", "972880a16708c009c0", GroupMemberQuery{Group: "g", AckID: 8, Max: 9}},
		{"no more than an ack id", "942880a16708", GroupMemberQuery{Group: "g", AckID: 8}},
		{"further elements", "982880a1670805a3746f6b8090", GroupMemberQuery{Group: "g", AckID: 8, Max: 5, Token: "tok"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			message, err := Parse(unhex(t, c.body))
			require.NoError(t, err)
			require.Equal(t, &c.want, message)
		})
	}
}
