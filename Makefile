# make dev         install what is missing, build, and run a whole local Sallyport: TLS, an issuer, an echo upstream
# make check       install what tests need, then lint, unit tests, scenes, fuzz replay and end-to-end tests, debug and ASan;
#                  ends with a table of what ran
# make fresh-check both of them, each alone, on minimal Debian 12 and 13 (as root; packages are kept)
# make             build/debug/sallyport           make MODE=release   build/release/sallyport
# make test        unit tests and scenes           make MODE=asan test the same under ASan and UBSan
# make e2e         the real binary, real clients   make lint           order, doors, sizes
# make drills      outages of an issuer at length, with real processes
# make bench       side by side with nginx, HAProxy, nginx + Lua + Redis; make bench-quick the same in a minute
# make profile     where the time goes under load, as a flame graph; make steady: memory over ten minutes of load
# make bench-redis what a limit of the fleet adds to a request, whatever Redis does; what the buckets cost Redis
# make count       instructions of ours for one decision, against the stored figures (make count-store: new ones)
# make bench-limits  what a flood and ten million made-up keys cost, and what honest clients notice of it
# make fuzz        every fuzz target for FUZZ_S seconds (default 60)
# make soak        all features under ASan among hostile clients and failing neighbours for SOAK_S seconds (default 60)
# make format      clang-format 14 over all C sources      make compile-commands   compile_commands.json, for editors and clangd
# make generate    conf/OPTIONS.md, the schema, the man page, conf/METRICS.md from their tables
MODE ?= debug
ifeq ($(origin CC),default) # make's own word for it is cc
CC   := gcc
endif
comma := ,
B    := build/$(MODE)
J    := -j$(shell nproc 2>/dev/null || echo 1)
# Warnings are errors for who develops it: by these goals, or by WERROR=1; never for who only builds it.
WERROR ?= $(if $(filter check targets test unit scene replay generate check-generated fuzz soak count,$(MAKECMDGOALS))$(findstring /tests/,$(MAKECMDGOALS)),1)
export WERROR
LIBS := libevent_core openssl libcurl libnghttp2 yaml-0.1 jansson libseccomp hiredis libutf8proc

CFLAGS_debug   := -O0 -g3
CFLAGS_release := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS_asan    := -O1 -g3 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_cover   := -O0 -g3 --coverage
CFLAGS_fuzz    := -O1 -g3 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_release := -pie -Wl,-z,relro,-z,now

CPPFLAGS := $(CPPFLAGS) -Iproxy -DSALLYPORT_VERSION='"$(shell cat VERSION)"' -MMD -MP $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
CFLAGS   += -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic $(if $(WERROR),-Werror) -Wshadow -Wconversion -Wmissing-prototypes \
            -Wstrict-prototypes -Wvla -Wundef -Wwrite-strings $(CFLAGS_$(MODE))
LDFLAGS  += $(LDFLAGS_$(MODE))
LDLIBS   := $(LDLIBS) $(shell pkg-config --libs $(LIBS) 2>/dev/null)

SRC  := $(sort $(shell find proxy -name '*.c'))
HDR  := $(sort $(shell find proxy -name '*.h' -o -name '*.def'))
OBJ  := $(SRC:%.c=$B/%.o)
ROOM := $(filter-out $B/proxy/main.o,$(OBJ))
UNIT := $(patsubst %.c,$B/%,$(sort $(shell find tests/unit -name 'test_*.c')))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.PHONY: all build test unit scene replay fuzz fuzz-targets e2e drills dev check targets generate check-generated bench bench-quick bench-deps \
        count count-store bench-decisions bench-redis bench-limits profile steady lint clean
.SECONDARY:
.PRECIOUS: build/deps/%
all: build
build: $B/sallyport

$B/sallyport: $(OBJ)
	@echo "  LD  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

# what must be there before anything compiles: looked for once in a tree, and told in one line
build/deps/%: deps.sh
	$(if $(shell ./deps.sh look $*),$(error run ./deps.sh $* -- missing here: $(shell ./deps.sh look $*)))
	@mkdir -p $(@D); touch $@

compile = $(CC) $(CPPFLAGS) $(CFLAGS) -c $1 -o $2
$B/%.o: %.c Makefile VERSION | build/deps/build
	@mkdir -p $(@D); echo "  CC  $<"
	@$(call compile,$<,$@)

# the assembler reads it into the program, so no compiler tells of the dependency
$B/proxy/classify/builtin.o: lua-free-rules/declared.rules

# every room in one archive, so that a test links only what it uses
$B/rooms.a: $(ROOM)
	@rm -f $@; ar rcs $@ $^

# what tests of a room share, in one archive: a test links its own room's first, then what it borrows from others
FIXTURE   := $(sort $(shell find tests/unit -name '*.c' ! -name 'test_*'))
FIXTURE_A := $(sort $(patsubst %,$B/%fixtures.a,$(dir $(FIXTURE))))
$(foreach c,$(FIXTURE),$(eval $B/$(dir $c)fixtures.a: $(c:%.c=$B/%.o)))
$(FIXTURE_A):
	@rm -f $@; ar rcs $@ $^

$(UNIT:%=%.o) $(FIXTURE:%.c=$B/%.o): | build/deps/check
$B/tests/unit/%: $B/tests/unit/%.o $(FIXTURE_A) $B/rooms.a
	@$(CC) $(CFLAGS) $(LDFLAGS) $< $(filter $(@D)/%,$(FIXTURE_A)) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LDLIBS) -lcmocka -o $@

unit: $(UNIT)
	@/usr/bin/python3 tests/tools/units.py $(UNIT)

SCENE := $(sort $(wildcard tests/scene/*.c))
$B/scene: $(SCENE:%.c=$B/%.o) $B/rooms.a
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

scene: $B/scene
	@$B/scene $(sort $(wildcard tests/scene/*.scene))

# every corpus through its target, without a fuzzer
FUZZ_FIXTURE := tests/unit/http/fixtures.a tests/unit/request/fixtures.a
$B/replay/%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(FUZZ_FIXTURE:%=$B/%) $B/rooms.a
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -MF $@.d $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) $(filter %.c %.a,$^) $(LDLIBS) -o $@

replay: $(FUZZ:%=$B/replay/%)
	@bad=0; for f in $(FUZZ); do printf '%s: ' $$f; $B/replay/$$f tests/fuzz/corpus/$$f || { echo "failed: $$f"; bad=1; }; done; exit $$bad

test: unit scene replay

# ---- fuzzing: make fuzz [FUZZ_S=60], clang's libFuzzer ----
FUZZ_S ?= 60
build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_FIXTURE:%=build/fuzz/%) build/fuzz/rooms.a
	@clang $(CPPFLAGS) -MF $@.d $(filter-out -Wmissing-prototypes,$(CFLAGS)) -fsanitize=fuzzer $(filter %.c %.a,$^) $(LDLIBS) -o $@

fuzz-targets: $(FUZZ:%=build/fuzz/fuzz_%)
fuzz:
	@./deps.sh check
	@$(MAKE) -s MODE=fuzz CC=clang fuzz-targets
	@for f in $(FUZZ); do mkdir -p build/fuzz/found/$$f; echo "== $$f"; \
		build/fuzz/fuzz_$$f -max_total_time=$(FUZZ_S) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		build/fuzz/found/$$f tests/fuzz/corpus/$$f 2>build/fuzz/$$f.log || { tail -40 build/fuzz/$$f.log; exit 1; }; \
		tail -6 build/fuzz/$$f.log | head -1; done

# ---- the soak: make soak [SOAK_S=60] [SOAK_SEED=n], not part of make check ----
.PHONY: soak
soak:
	@./deps.sh check
	@$(MAKE) -s $J MODE=asan build
	@SALLYPORT=$(CURDIR)/build/asan/sallyport /usr/bin/python3 tests/soak/soak.py

# ---- end to end: the real binary, real clients; make e2e [E2E="-x -k tunnel"]; E2E_N files run at a time ----
E2E   ?=
E2E_N ?= 2
e2e: build
	@SALLYPORT=$(CURDIR)/$B/sallyport /usr/bin/python3 -m pytest -q --no-header -p no:cacheprovider \
		-n $(E2E_N) --dist loadfile tests/e2e $(E2E)

# ---- drills: the incidents at length, minutes each; they print what they saw ----
drills: build
	@SALLYPORT=$(CURDIR)/$B/sallyport PYTHONPATH=tests/e2e /usr/bin/python3 -m pytest -q -s --no-header \
		-p no:cacheprovider tests/drills $(E2E)

# ---- the two commands ----
dev:
	@echo "make dev: installs what is missing, builds build/release/sallyport, runs it with a local issuer and an echo upstream"
	@./deps.sh build
	@$(MAKE) -s $J MODE=release build
	@exec build/release/sallyport dev $(DEV)

check:
	@echo "make check: installs what tests need, then lint, unit tests, scenes and fuzz corpora (debug, ASan+UBSan, clang), end to end"
	@began=$$(date +%s); ./deps.sh check && /usr/bin/python3 tests/tools/check.py $$began

targets: build $(UNIT) $B/scene $(FUZZ:%=$B/replay/%)

# the two commands on machines that have nothing: make fresh-check [FRESH="12-dev 12-check 13-dev 13-check"]
.PHONY: fresh-check
fresh-check:
	@tests/fresh/fresh.sh $(FRESH)

# ---- what is generated from the tables, and committed ----
GENERATED := OPTIONS.md sallyport.schema.json sallyport.conf.5 METRICS.md
$B/generate: $B/tests/tools/generate.o $B/rooms.a
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

generate: $B/generate
	@mkdir -p conf; $B/generate conf

check-generated: $B/generate
	@mkdir -p $B/generated; $B/generate $B/generated
	@for f in $(GENERATED); do cmp -s $B/generated/$$f conf/$$f || \
		{ echo "conf/$$f is not what its table says: run make generate and commit"; exit 1; }; done

# ---- the bench: make bench [BENCH="w1 w4 --rounds 15"] ----
BENCH_C := tests/bench/tools/origin.c tests/bench/tools/visit.c tests/bench/tools/mint.c \
           tests/bench/contenders/relay/relay.c
BENCH_TOOLS := $(patsubst %.c,build/release/tests/bench/%,$(notdir $(BENCH_C)))
vpath %.c $(dir $(BENCH_C))
$(BENCH_TOOLS): build/release/tests/bench/%: %.c
	@mkdir -p $(@D); $(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow -Werror $< -lssl -lcrypto -pthread -o $@

# where the time goes: build/bench/flame.svg; make profile PROFILE=whole for the whole job
profile: bench-deps
	@command -v perf >/dev/null || ./deps.sh profile
	@$(MAKE) -s $J MODE=release build $(BENCH_TOOLS)
	@/usr/bin/python3 tests/bench/profile.py $(PROFILE)

# resident memory over ten minutes of steady load; make steady STEADY="--minutes 2"
steady: bench-deps
	@$(MAKE) -s $J MODE=release build $(BENCH_TOOLS)
	@/usr/bin/python3 tests/bench/steady.py $(STEADY)

# ---- instructions of ours for one decision, by callgrind; ns of the same with make bench-decisions ----
COUNT := $(sort $(wildcard tests/bench/count/*.c))
$B/count: $(COUNT:%.c=$B/%.o) $B/rooms.a
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

count count-store bench-decisions:
	@$(MAKE) -s $J MODE=release build/release/count
	@$(if $(filter bench-decisions,$@),build/release/count --time,/usr/bin/python3 tests/bench/count.py build/release/count \
		$(if $(filter count-store,$@),--store))

$B/tests/bench/limits/keys: $B/tests/bench/limits/keys.o $B/rooms.a
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

bench-deps:
	@./deps.sh bench

bench bench-quick: bench-deps
	@./deps.sh build
	@$(MAKE) -s $J MODE=release build $(BENCH_TOOLS)
	@/usr/bin/python3 tests/bench/bench.py $(if $(filter bench-quick,$@),--quick) $(BENCH)

build/release/tests/bench/gcra_lua: tests/bench/tools/gcra_lua.c
	@mkdir -p $(@D); $(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror $< -lhiredis -o $@

bench-redis: bench-deps
	@./deps.sh build
	@$(MAKE) -s $J MODE=release build build/release/tests/bench/origin build/release/tests/bench/gcra_lua
	@/usr/bin/python3 tests/bench/redis_latency.py
	@/usr/bin/python3 tests/bench/redis_cost.py

bench-limits: bench-deps
	@./deps.sh build
	@$(MAKE) -s $J MODE=release build build/release/tests/bench/origin build/release/tests/bench/limits/keys
	@/usr/bin/python3 tests/bench/limits/flood.py

lint:
	@awk -f tests/lint/order.awk proxy/ORDER $(filter %.c %.h,$(SRC) $(HDR))
	@awk -f tests/lint/size.awk $(filter %.c %.h,$(SRC) $(HDR)) $(shell find tests -name '*.[ch]')
	@awk -f tests/lint/opens.awk $(SRC)
	@/usr/bin/python3 tests/lint/doors.py
	@awk -f tests/lint/banned.awk $(filter %.c %.h,$(SRC) $(HDR))
	@/usr/bin/python3 tests/lint/tags.py $(filter %.c %.h %/options.def,$(SRC) $(HDR))
	@/usr/bin/python3 tests/lint/unread.py $(CC) $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
	@awk -f tests/lint/rooms.awk proxy/ORDER ARCHITECTURE.md
	@/usr/bin/python3 tests/lint/links.py
	@$(MAKE) -s format-check

# ---- for editors: the compiler's real command lines ----
ALL_C := $(SRC) $(sort $(shell find tests -name '*.c'))
quote  = $(subst ",\",$(subst \,\\,$1))
entry  = {"directory": "$(CURDIR)", "file": "$1", "output": "$2", "command": "$(call quote,$(call compile,$1,$2))"}
.PHONY: compile-commands
compile-commands:
	$(file >compile_commands.json,[)
	$(foreach c,$(ALL_C),$(file >>compile_commands.json,$(call entry,$c,$(c:%.c=$B/%.o))$(if $(filter-out $(lastword $(ALL_C)),$c),$(comma))))
	$(file >>compile_commands.json,])
	@echo "compile_commands.json: $(words $(ALL_C)) files"

# ---- clang-format 14 is Debian 12's; another version breaks lines elsewhere ----
CLANG_FORMAT ?= clang-format-14
ALL_H        := $(filter %.h,$(HDR)) $(sort $(shell find tests -name '*.h'))
.PHONY: format format-check
format:
	@command -v $(CLANG_FORMAT) >/dev/null || { echo "make format needs clang-format 14: apt-get install clang-format-14"; exit 1; }
	@$(CLANG_FORMAT) -i $(ALL_C) $(ALL_H)
format-check: # silent where that version is not there
	@command -v $(CLANG_FORMAT) >/dev/null || exit 0; \
		printf '%s\n' $(ALL_C) $(ALL_H) | xargs -P 2 -n 40 $(CLANG_FORMAT) --dry-run -Werror --ferror-limit=1 || \
		{ echo "run make format"; exit 1; }

clean:
	rm -rf build compile_commands.json

-include $(shell find $B -name '*.d' 2>/dev/null)
