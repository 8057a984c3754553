package filter

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// client is a Subject.
type client struct {
	user, id string
	groups   []string
}

func (c *client) UserID() string           { return c.user }
func (c *client) ConnectionID() string     { return c.id }
func (c *client) InGroup(name string) bool { return slices.Contains(c.groups, name) }

func TestR41Filters(t *testing.T) {
	ann := &client{"Ann", "c1", []string{"vip", "o'clock"}}
	nobody := &client{"", "c2", nil}
	for expression, want := range map[string][2]bool{ // of ann and nobody
		"startswith(userId,'An')":                                   {true, false},
		"STARTSWITH( USERID , 'An' )":                               {true, false},
		"startswith(userId,'an')":                                   {false, false},
		"startswith(tolower(userId),'an')":                          {true, false},
		"endswith(toupper(userId), 'NN') eq true":                   {true, false},
		"contains(userId,'n')":                                      {true, false},
		"userId eq 'Ann'":                                           {true, false},
		"'Ann' eq userId":                                           {true, false},
		"userId ne 'Ann'":                                           {false, true},
		"userId eq null":                                            {false, true},
		"null ne userId":                                            {true, false},
		"null eq null":                                              {true, true},
		"length(userId) gt 2 and length(userId) le 3":               {true, false},
		"length(userId) ge 4":                                       {false, false},
		"length(userId) eq null":                                    {false, true},
		"length(userId) lt 4":                                       {true, false},
		"userId gt 'Ana'":                                           {true, false},
		"userId in ('Bob', 'Ann')":                                  {true, false},
		"userId in (null, 'Bob')":                                   {false, true},
		"length(userId) in (1, 3)":                                  {true, false},
		"'vip' in groups":                                           {true, false},
		"'o''clock' in groups":                                      {true, false},
		"not ('vip' in groups)":                                     {false, true},
		"not 'vip' in groups":                                       {false, true},
		"not not 'vip' in groups":                                   {true, false},
		"concat(connectionId, '!') eq 'c1!'":                        {true, false},
		"trim(' c2 ') eq connectionId":                              {false, true},
		"substring(userId, 1) eq 'nn'":                              {true, false},
		"substring(userId, 1, 1) eq 'n'":                            {true, false},
		"substring(userId, -5, 99) eq userId":                       {true, true},
		"substring(userId, 99) eq ''":                               {true, false},
		"indexof(userId, 'n') eq 1":                                 {true, false},
		"indexof(userId, 'x') eq -1":                                {true, false},
		"indexof('üü', 'ü') eq 0":                                   {true, true},
		"length('üü') eq 2":                                         {true, true},
		"substring('über', 1) eq 'ber'":                             {true, true},
		"true":                                                      {true, true},
		"false or connectionId eq 'c2'":                             {false, true},
		"userId eq 'x' or userId eq 'Ann' and connectionId eq 'c1'": {true, false},
		"(userId eq 'x' or userId eq 'Ann') and connectionId eq 'c9'": {false, false},
	} {
		f, err := Parse(expression)
		require.NoError(t, err, expression)
		require.Equal(t, expression, f.String())
		require.Equal(t, want, [2]bool{f.Match(ann), f.Match(nobody)}, expression)
	}
}

func TestR41InvalidFilters(t *testing.T) {
	for expression, at := range map[string]int{
		"": 1, "userId": 1, "groups": 1, "1": 1, "null": 1, "'a'": 1,
		"userId eq": 10, "userId eq 1": 8, "eq 'a'": 1, "userId = 'a'": 8, "userId eq 'a": 11,
		"userId eq 'a' and": 18, "userId eq 'a' and 'b'": 19, "userId eq 'a' userId": 15, "user eq 'a'": 1,
		"userId eq 'a' eq false": 15, "not userId": 5, "(userId eq 'a'": 15, "userId eq 'a')": 14, "userId in groups or": 20, "1 in groups": 3,
		"'a' in ()": 9, "'a' in ('b',)": 13, "'a' in (1)": 9, "'a' in 'b'": 8, "'a' in (userId)": 9, "groups eq 'a'": 8,
		"length(1) gt 1": 8, "length() gt 1": 8, "length userId gt 1": 8, "startswith(userId)": 18, "startswith(userId,'a','b')": 23,
		"length(userId) gt 99999999999999999999": 19, "length(userId) gt 1.5": 20, "length(userId) gt 1a": 19, "length(userId) gt -": 19,
		"true gt false": 6, "null gt 1": 6, "userId gt null": 8, "true in (true)": 6, "über eq 'a'": 1, "userId eq 'ü' x": 15, "userId eq \xff": 1,
		strings.Repeat("(", MaxDepth+1) + "true" + strings.Repeat(")", MaxDepth+1): MaxDepth + 1,
		strings.Repeat("not ", MaxDepth+1) + "true":                                4*MaxDepth + 1,
		strings.Repeat("tolower(", MaxDepth+1) + "userId":                          8*MaxDepth + 8,
		"true" + strings.Repeat(" or true", MaxTerms/2) + " or false":              0,
		"userId eq '" + strings.Repeat("x", MaxLength) + "'":                       1,
	} {
		_, err := Parse(expression)
		var wrong *Error
		require.ErrorAs(t, err, &wrong, expression)
		require.Contains(t, err.Error(), "The filter is not valid at character ")
		if at > 0 {
			require.Equal(t, at, wrong.At, "%s: %v", expression, err)
		}
	}
	_, err := Parse(strings.Repeat("(", MaxDepth) + "true" + strings.Repeat(")", MaxDepth))
	require.NoError(t, err)
	_, err = Parse("true" + strings.Repeat(" or true", MaxTerms/2-1))
	require.NoError(t, err)
}

func TestMatchingAllocatesNothing(t *testing.T) {
	var s Subject = &client{"ann", "c1", []string{"vip"}}
	f, err := Parse("startswith(tolower(userId), 'an') and length(userId) gt 2 and userId in ('x', 'ann') and not ('out' in groups) and substring(userId, 1, 1) eq 'n'")
	require.NoError(t, err)
	require.True(t, f.Match(s))
	require.Zero(t, testing.AllocsPerRun(100, func() { f.Match(s) }))
}

// Whatever text comes, there is an answer or an error with a place in it; what is parsed is parsed again
// the same.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"startswith(userId,'listener-')", "userId in ('a','b') and not ('g' in groups)", "length(userId) ge -3 or null eq userId",
		"substring(concat(userId, connectionId), indexof(userId, 'x'), 2) ne toupper(trim(' x'))", "((((((true))))))", "'''' eq ''",
		"not endswith(tolower(connectionId), 'A') or contains(userId, 'ü')", "'a' in groups and userId eq null", "length(concat('a', userId)) lt 9223372036854775807",
		"substring(userId, 1) gt 'b' and (true or not false)", "substring(userId, -1, 0) le userId", "userId in ()", "startswith(userId, 'a'", "'unfinished", "1 eq 1 eq 1", "\u00a0true"} {
		f.Add(seed, "user", "group")
	}
	f.Fuzz(func(t *testing.T, expression, user, group string) {
		parsed, err := Parse(expression)
		if err != nil {
			var wrong *Error
			require.ErrorAs(t, err, &wrong)
			require.LessOrEqual(t, 1, wrong.At)
			require.LessOrEqual(t, wrong.At, 1+utf8.RuneCountInString(expression))
			return
		}
		c := &client{user, "id", []string{group}}
		again, err := Parse(parsed.String())
		require.NoError(t, err)
		require.Equal(t, parsed.Match(c), again.Match(c))
		negated, err := Parse("not (" + expression + ")")
		if err == nil {
			require.NotEqual(t, parsed.Match(c), negated.Match(c))
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	var s Subject = &client{"listener-12", "c1", []string{"vip"}}
	f, err := Parse("startswith(userId,'listener-') and not ('vip' in groups)")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		f.Match(s)
	}
}
