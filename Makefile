# make run   plays the first scenario to a finished report
# make test  runs every test
# make help  lists the rest
GO ?= go
BIN := shakedown
export CGO_ENABLED ?= 0

.PHONY: run test race interop lint fuzz build bench-loadgen bench-balancer bench-hostile bench-validity clean help

run: build ## play the embedded first scenario
	./$(BIN) run

build: ## build the binary
	$(GO) build -trimpath -o $(BIN) ./cmd/shakedown

test: ## run every test, browser tests included
	@./.ci/browser
	$(GO) test ./...

# Tables and recomputations on one goroutine: there is nothing to find for the race detector, under which they take minutes. They run
# in `make test`.
UNSHARED = TestRecompute|TestVerdictsOfDisturbedRuns|TestRequestsThatMissAFault|TestUsersThatSendNothing|TestRecoveryDoesNotDepend|TestRecoveryThatTheLoad|TestGatesOfALateFault|TestWhatIsLate|TestWhatMisses|TestWhatIsNoticed|TestOtherCourses|TestUntilWhenGatesLook|TestAgainstQueueingTheory|TestPowerOfTwoChoices

race: ## run the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m -skip '$(UNSHARED)' ./...

interop: ## play the rows of the profiles' tests against the real HAProxy and nginx, which must be installed
	SHAKEDOWN_INTEROP=1 $(GO) test ./cmd/shakedown -run TestProgramsBehaveAsTheirProfiles -count 1 -v

lint: ## formatting, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

FUZZTIME ?= 30s
fuzz: ## fuzz each parser for FUZZTIME
	@for t in scenarios:FuzzDecode scenarios:FuzzSet reports:FuzzRead reports/gate:FuzzParse balancer/http1:FuzzResponse balancer/http1:FuzzRequest balancer:FuzzProxy balancer/proxyheader:FuzzParse loadgen/vegeta:FuzzTargets loadgen/mix:FuzzParseAttempt; do \
		$(GO) test ./$${t%%:*} -run '^$$' -fuzz "^$${t##*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x || exit 1; \
	done

bench-loadgen: build ## compare the load generator with the peers that are installed
	$(GO) run ./cmd/bench loadgen --shakedown ./$(BIN)

bench-balancer: build ## compare the balancer with the peers that are installed
	$(GO) run ./cmd/bench balancer --shakedown ./$(BIN)

bench-hostile: build ## attack the balancer beside innocent clients, for half an hour
	$(GO) run ./cmd/bench hostile --shakedown ./$(BIN) --for 30m

bench-validity: build ## disturb the load generator and look whether its verdicts notice
	$(GO) run ./cmd/bench validity --shakedown ./$(BIN)

clean: ## remove what was built and the reports of runs
	rm -rf $(BIN) shakedown-out

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'
