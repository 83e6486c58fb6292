#!/usr/bin/env bash
# Plays an admin and a learner against a running development store (`cargo run`), over HTTP alone:
#
#     examples/journey.sh [http://127.0.0.1:8080]
#
# Every answer is checked; the first wrong one ends the journey with what was expected and what came.
# Needs bash, curl and jq. It can be repeated: each journey has a learner and a course of its own.
set -euo pipefail

API=${1:-http://127.0.0.1:8080}
API=${API%/}
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
RUN=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
RETURN_URL='http://localhost:5173/checkout/{CHECKOUT_ID}'
export RUN RETURN_URL

# --- How the script speaks and listens ---------------------------------------------------------------------

say() { printf '  %s\n' "$*"; }

chapter() { printf '\n%s\n' "$*"; }

fail() {
    {
        printf '\nFAILED: %s\n' "$1"
        printf '  request:  %s\n' "${REQUEST:-none}"
        printf '  expected: %s\n' "$2"
        printf '  came:     %s\n' "$3"
    } >&2
    exit 1
}

# as TOKEN: who asks from now on; as '' is nobody.
as() { TOKEN=$1; }

# request METHOD URL [CURL OPTION...]: the answer is in $STATUS, $DIR/head and $DIR/body.
request() {
    REQUEST="$1 $2"
    local url=$2 options=(--silent --show-error --max-time 40 --request "$1" --dump-header "$DIR/head" --output "$DIR/body")
    [[ $url == http* ]] || url=$API$url
    [[ -z $TOKEN ]] || options+=(--header "Authorization: Bearer $TOKEN")
    : >"$DIR/body"
    STATUS=$(curl "${options[@]}" --write-out '%{http_code}' "${@:3}" "$url") ||
        fail 'the server does not answer' "an answer from $API (is \`cargo run\` up?)" "curl's exit code $?"
}

get() { request GET "$@"; }

# send METHOD URL BODY [CURL OPTION...]: the body is a jq program, in which exported variables are `env.NAME`.
send() {
    request "$1" "$2" --header 'Content-Type: application/json' --data "$(jq -nc "$3")" "${@:4}"
}

# raw METHOD URL FILE [MEDIA TYPE]: sends bytes as they are.
raw() { request "$1" "$2" --header "Content-Type: ${4:-application/json}" --data-binary "@$3"; }

# expect STATUS [JQ CONDITION]: judges the last answer.
expect() {
    [[ $STATUS == "$1" ]] || fail 'wrong status' "$1" "$STATUS $(cat "$DIR/body")"
    [[ $# == 1 ]] || jq -e "$2" "$DIR/body" >/dev/null 2>&1 || fail 'wrong body' "$2" "$(cat "$DIR/body")"
}

# problem STATUS CODE [JQ CONDITION]: the last answer is a problem document.
problem() {
    header content-type | grep -qx 'application/problem+json' ||
        fail 'wrong media type' 'application/problem+json' "$STATUS $(header content-type)"
    expect "$1" ".code == \"$2\" and .status == $1 and .type == \"/problems/$2\" and (.requestId | length > 0)"
    [[ $# == 2 ]] || expect "$1" "$3"
}

# header NAME: its value in the last answer.
header() { sed -n "s/^$1: *\(.*\)\r\$/\1/Ip" "$DIR/head"; }

# field JQ: a value of the last answer.
field() { jq -er "$1" "$DIR/body" || fail 'missing value' "$1" "$(cat "$DIR/body")"; }

# --- What both people do -----------------------------------------------------------------------------------

token_of() {
    as ''
    export PERSON=$1
    send POST /dev/tokens '{user: env.PERSON}'
    expect 200 '.token | split(".") | length == 3'
    field .token
}

# new URL BODY: creates something as the admin and prints its id.
new() {
    send POST "$1" "$2"
    expect 201
    local location id
    location=$(header location) id=$(field .id)
    [[ $location == */"$id" ]] || fail 'wrong Location' "an address that ends with $id" "$location"
    echo "$id"
}

# check_out PRODUCT: opens a checkout as the learner and sets $CHECKOUT and $PAGE, the local Stripe's page.
check_out() {
    export PRODUCT_ID=$1
    send POST /v1/checkout/sessions '{productId: env.PRODUCT_ID, uiMode: "hosted", returnUrl: env.RETURN_URL}'
    expect 201 '.status == "open" and .clientSecret == null and .purchaseId == null'
    CHECKOUT=$(field .id) PAGE=$(field .url)
    export CHECKOUT
}

# pay OUTCOME: what a person does on the local Stripe's page; it sends on to another page.
pay() {
    local token=$TOKEN
    as ''
    request POST "$PAGE${2:-}" --data "outcome=$1"
    expect 303
    as "$token"
}

# wait_for_end STATUS: the checkout comes to its end; the answer is held back until something changes.
wait_for_end() {
    get "/v1/checkout/sessions/$CHECKOUT" --header 'Prefer: wait=20'
    expect 200 ".status == \"$1\""
    [[ $(header preference-applied) == wait=20 ]] || fail 'the wait was not kept to' 'Preference-Applied: wait=20' "$(cat "$DIR/head")"
}

# poll URL JQ_CONDITION: asks until it is so, at most 20 seconds.
poll() {
    local deadline=$((SECONDS + 20))
    until get "$1" && jq -e "$2" "$DIR/body" >/dev/null; do
        ((SECONDS < deadline)) || fail 'it does not come to pass' "$2" "$STATUS $(cat "$DIR/body")"
        sleep 0.1
    done
}

# --- The journey -------------------------------------------------------------------------------------------

TOKEN=''
printf 'A journey through %s\n' "$API"

chapter 'Signing in'
get /readyz
expect 200 '.status == "ok"'
ADMIN=$(token_of admin)
LEARNER=$(token_of "learner-$RUN")
as "$ADMIN"
get /v1/me
expect 200 '.role == "admin"'
say 'the admin is known as one'
as "$LEARNER"
get /v1/me
expect 200 '.role == "user" and .email == "learner-\(env.RUN)@example.com"'
say "learner-$RUN is created by the first request"
get /v1/admin/courses
problem 403 forbidden
say 'and kept out of the admin rooms'

chapter 'The admin builds a course'
as "$ADMIN"
COURSE=$(new /v1/admin/courses '{name: "Knots \(env.RUN)", description: "Six knots that hold."}')
FIRST=$(new "/v1/admin/courses/$COURSE/sections" '{name: "Start here", status: "public"}')
SECOND=$(new "/v1/admin/courses/$COURSE/sections" '{name: "Going on", status: "public"}')
HIDDEN=$(new "/v1/admin/courses/$COURSE/sections" '{name: "Being filmed"}')
say 'three sections, the last one private'
PREVIEW=$(new "/v1/admin/sections/$FIRST/lessons" \
    '{name: "What a knot is", status: "preview", youtubeVideoId: "https://www.youtube.com/watch?v=aqz-KE-bpKQ&t=42s"}')
LESSON=$(new "/v1/admin/sections/$FIRST/lessons" '{name: "Bowline", status: "public", youtubeVideoId: "eRsGyueVLvQ"}')
DRAFT=$(new "/v1/admin/sections/$FIRST/lessons" '{name: "Draft", youtubeVideoId: "R6MlUcmOul8"}')
LAST=$(new "/v1/admin/sections/$SECOND/lessons" '{name: "Sheet bend", status: "public", youtubeVideoId: "https://youtu.be/WhWc3b3KhnY"}')
BURIED=$(new "/v1/admin/sections/$HIDDEN/lessons" '{name: "Splice", status: "public", youtubeVideoId: "_cMxraX_5RE"}')
export COURSE FIRST SECOND HIDDEN PREVIEW LESSON DRAFT LAST BURIED
get "/v1/admin/courses/$COURSE"
expect 200 '.sectionCount == 3 and .lessonCount == 5 and ([.sections[].lessons | length] == [3, 1, 1])'
expect 200 '.sections[0].lessons | map(.status) == ["preview", "public", "private"]'
expect 200 '[.sections[0].lessons[0], .sections[1].lessons[0]] | map(.youtubeVideoId) == ["aqz-KE-bpKQ", "WhWc3b3KhnY"]'
say 'five lessons; pasted YouTube URLs are reduced to their ids'
PRODUCT=$(new /v1/admin/products \
    '{name: "Knots \(env.RUN)", description: "With a piece of rope.", imageUrl: "/images/knots.jpg", priceInCents: 4900, courseIds: [env.COURSE]}')
export PRODUCT
as ''
get "/v1/products/$PRODUCT"
problem 404 not-found
say 'a new product is private: the shop does not know it'
as "$ADMIN"
request PATCH "/v1/admin/products/$PRODUCT" --header 'Content-Type: application/merge-patch+json' --data '{"status":"public"}'
expect 200 '.status == "public" and .priceInCents == 4900 and .courseCount == 1 and .customerCount == 0'
say 'and published'

chapter 'A visitor looks around'
as ''
NEXT='/v1/products?limit=3' SEEN=''
while [[ -n $NEXT ]]; do
    get "$NEXT"
    expect 200 '(.data | length > 0 and length <= 3) and all(.data[]; .status == "public")'
    SEEN+=$(jq -r '.data[].id' "$DIR/body")$'\n'
    CURSOR=$(jq -r '.nextCursor // empty' "$DIR/body")
    NEXT=${CURSOR:+"/v1/products?limit=3&cursor=$CURSOR"}
done
COUNT=$(grep -c . <<<"$SEEN")
[[ $(sort -u <<<"$SEEN" | grep -c .) == "$COUNT" ]] || fail 'the pages overlap' 'each product once' "$SEEN"
grep -qx "$PRODUCT" <<<"$SEEN" || fail 'the catalogue lacks the new product' "$PRODUCT" "$SEEN"
say "pages through $COUNT products, each seen once"
get "/v1/products/$PRODUCT"
expect 200 '.courses[0] | .sectionCount == 2 and .lessonCount == 3 and
    ([.sections[].lessons[].id] == [env.PREVIEW, env.LESSON, env.LAST]) and (tostring | contains("youtube") | not)'
say 'reads the outline, in which private parts do not appear'
get "/v1/products/$PRODUCT/quote"
expect 200 '.totalInCents == 4900 and .discountInCents == 0 and .currency == "usd" and .owned == false and .overlap == []'
say 'asks for the price'
get /v1/pricing/discount --header 'CF-IPCountry: IN' --header 'X-Forwarded-For: 103.21.244.1'
expect 200 '.country == null and .percentOff == 0'
say 'and gets no discount for claiming to be elsewhere'
get "/v1/courses/$COURSE/lessons/$PREVIEW"
expect 200 '.youtubeVideoId == "aqz-KE-bpKQ" and .canComplete == false and .nextLesson.id == env.LESSON'
say 'watches the preview'
get "/v1/courses/$COURSE/lessons/$LESSON"
problem 401 unauthenticated
[[ $(header www-authenticate) == Bearer* ]] || fail 'no challenge' 'WWW-Authenticate: Bearer' "$(cat "$DIR/head")"
say 'and has to sign in for the next lesson'

chapter 'The learner buys'
as "$LEARNER"
get "/v1/courses/$COURSE/lessons/$LESSON"
problem 403 course-access-required
get "/v1/courses/$COURSE/lessons/$PREVIEW"
expect 200 '.youtubeVideoId == "aqz-KE-bpKQ"'
say 'sees the preview, but not what has to be bought'
check_out "$PRODUCT"
expect 201 '.totalInCents == 4900 and .productId == env.PRODUCT'
FIRST_CHECKOUT=$CHECKOUT FIRST_PAGE=$PAGE
check_out "$PRODUCT"
[[ $CHECKOUT == "$FIRST_CHECKOUT" && $PAGE == "$FIRST_PAGE" ]] || fail 'a second session was opened' "$FIRST_CHECKOUT" "$CHECKOUT"
say 'opens a checkout; a second click gets the same one'
as "$ADMIN"
get "/v1/checkout/sessions/$CHECKOUT"
problem 404 not-found
as "$LEARNER"
say 'which nobody else can see'
get "$PAGE"
expect 200
pay declined
get "/v1/checkout/sessions/$CHECKOUT"
expect 200 '.status == "open"'
say 'is declined: the checkout stays open'
pay paid
[[ $(header location) == "http://localhost:5173/checkout/$CHECKOUT" ]] ||
    fail 'Stripe sends the buyer elsewhere' "http://localhost:5173/checkout/$CHECKOUT" "$(header location)"
wait_for_end fulfilled
expect 200 '.url == null and (.purchaseId | length == 36)'
PURCHASE=$(field .purchaseId)
export PURCHASE
say 'pays, waits, and the checkout is fulfilled'
send POST /v1/checkout/sessions '{productId: env.PRODUCT, uiMode: "hosted", returnUrl: env.RETURN_URL}'
problem 409 already-owned
say 'and cannot buy it twice'
get /v1/me/purchases
expect 200 '.data | length == 1 and .[0].id == env.PURCHASE'
get "/v1/me/purchases/$PURCHASE"
expect 200 '.status == "paid" and .pricePaidInCents == 4900 and .productDetails.name == "Knots \(env.RUN)" and
    (.pricingRows | map([.kind, .amountInCents]) == [["subtotal", 4900], ["total", 4900]])'
say 'finds the purchase in the history, line by line'

chapter 'The learner learns'
get "/v1/courses/$COURSE"
expect 200 '.lessonCount == 3 and .percent == 0 and .nextLesson.id == env.PREVIEW and ([.sections[].lessons[].id] == [env.PREVIEW, env.LESSON, env.LAST])'
say 'opens the player: three lessons'
get "/v1/courses/$COURSE/lessons/$LESSON"
expect 200 '.canComplete and (.completed | not) and .previousLesson.id == env.PREVIEW and .nextLesson.id == env.LAST'
get "/v1/courses/$COURSE/lessons/$LAST"
expect 200 '.previousLesson.id == env.LESSON and .nextLesson == null'
say 'walks from lesson to lesson, across sections and past the draft'
for lesson in "$DRAFT" "$BURIED"; do
    get "/v1/courses/$COURSE/lessons/$lesson"
    problem 404 not-found
done
say 'private lessons stay hidden'
percent_after() {
    export PERCENT=$2
    request PUT "/v1/me/lessons/$1/completion"
    expect 204
    get "/v1/courses/$COURSE"
    expect 200 '.percent == (env.PERCENT | tonumber)'
}
percent_after "$PREVIEW" 33
percent_after "$PREVIEW" 33
percent_after "$LESSON" 66
percent_after "$LAST" 100
expect 200 '.completedLessonCount == 3 and .nextLesson == null'
say 'ticks off 33, 66, 100 percent; a second tick changes nothing'
request DELETE "/v1/me/lessons/$LAST/completion"
expect 204
percent_after "$LAST" 100
get /v1/me/courses
expect 200 '.data | length == 1 and .[0].id == env.COURSE and .[0].percent == 100'
say 'unticks, ticks again; the course is among the learner'"'"'s own'

chapter 'The rest of the demo store'
get '/v1/products?sort=priceInCents&limit=100'
expect 200 '[.data[].priceInCents] == ([.data[].priceInCents] | sort)'
FREE=$(field '[.data[] | select(.priceInCents == 0)][0].id')
mapfile -t PAID < <(field '.data[] | select(.priceInCents > 0 and .id != env.PRODUCT and (.name | startswith("Knots") | not)).id')
((${#PAID[@]} >= 2)) || fail 'the demo store is too small' 'two products with a price' "${#PAID[@]}"
request POST "/v1/products/$FREE/claim"
expect 201 '.pricePaidInCents == 0 and .status == "paid"'
request POST "/v1/products/$FREE/claim"
problem 409 already-owned
get "/v1/products/$FREE/quote"
expect 200 '.owned and (.overlap | length > 0)'
say 'claims the free product, once'
check_out "${PAID[0]}"
pay delayed
poll "/v1/checkout/sessions/$CHECKOUT" '.status == "processing" and .purchaseId == null'
pay succeeded /settle
# The status is not asked for here, so it is the signed webhook alone that fulfils.
poll /v1/me/purchases ".data[0].productId == \"${PAID[0]}\""
say 'pays by bank debit: processing, then fulfilled by the webhook when it arrives'
check_out "${PAID[1]}"
pay delayed
poll "/v1/checkout/sessions/$CHECKOUT" '.status == "processing"'
pay failed /settle
wait_for_end failed
expect 200 '.purchaseId == null'
check_out "${PAID[1]}"
say 'a debit that fails gives nothing, and the product can be ordered again'
request POST "/v1/checkout/sessions/$CHECKOUT/cancel"
expect 200 '.status == "canceled"'
get /v1/me/purchases
expect 200 '.data | length == 3'
say 'cancels that order; three purchases are in the history'

chapter 'Bad input is refused in words'
as "$ADMIN"
printf '{"name": ' >"$DIR/input"
raw POST /v1/admin/courses "$DIR/input"
problem 400 malformed-request
say 'malformed JSON'
send POST /v1/admin/courses '{name: "A", description: "B", colour: "red"}'
problem 422 invalid '.errors | map(.pointer) == ["/colour"]'
say 'an unknown field'
send POST /v1/admin/courses '{name: "A\u0000", description: "B"}'
problem 422 invalid '.errors | map(.pointer) == ["/name"]'
say 'a NUL byte'
send POST /v1/admin/products '{name: "A", description: "B", imageUrl: "/a.png", priceInCents: -1, courseIds: []}'
problem 422 invalid '.errors | map(.pointer) | sort == ["/courseIds", "/priceInCents"]'
say 'a negative price and no course, both named'
get /v1/products/not-an-id
problem 404 not-found
say 'an id that is none'
request PUT "/v1/products/$PRODUCT"
problem 405 method-not-allowed
header allow | grep -qw GET || fail 'no Allow' 'a list with GET' "$(cat "$DIR/head")"
say 'a method that the address does not have'
raw POST /v1/admin/courses "$DIR/input" text/plain
problem 415 unsupported-media-type
say 'another media type'
head -c 71680 /dev/zero | tr '\0' ' ' >"$DIR/input"
raw POST /v1/admin/courses "$DIR/input"
problem 413 payload-too-large
say 'a body of 70 KiB'
get '/v1/products?cursor=nonsense'
problem 400 invalid-cursor
say 'a cursor that nobody has made'
as 'not.a.token'
get /v1/me
problem 401 unauthenticated
get "/v1/products/$PRODUCT/quote"
problem 401 unauthenticated
say 'a bad token, where one is optional too'
get "$API/problems/invalid"
expect 200 '.code == "invalid" and .status == 422'
say 'and /problems explains each of them'

printf '\nThe journey is done: every answer was right.\n'
