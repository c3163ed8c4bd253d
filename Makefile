# make dev         install what is missing, build, and run a whole local Sallyport: TLS, an issuer, an echo upstream
# make check       install what tests need, then lint, unit tests, scenes, fuzz replay and end-to-end tests, debug and ASan
# make             build/debug/sallyport           make MODE=release   build/release/sallyport
# make test        unit tests and scenes           make MODE=asan test the same under ASan and UBSan
# make e2e         the real binary, real clients   make lint           order, doors, sizes
# make bench       one worker beside nginx and HAProxy, CPU per request, as ratios
# make fuzz        every fuzz target for FUZZ_S seconds (default 60)
# make generate    conf/OPTIONS.md, the schema, the man page, conf/METRICS.md from their tables
MODE ?= debug
CC   ?= gcc
B    := build/$(MODE)
LIBS := libevent_core openssl libcurl libnghttp2 yaml-0.1 jansson libseccomp

CFLAGS_debug   := -O0 -g3
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS_asan    := -O1 -g3 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_cover   := -O0 -g3 --coverage
CFLAGS_fuzz    := -O1 -g3 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_release := -pie -Wl,-z,relro,-z,now

CPPFLAGS += -Iproxy -MMD -MP $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
CFLAGS   += -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wmissing-prototypes \
            -Wstrict-prototypes -Wvla -Wundef -Wwrite-strings $(CFLAGS_$(MODE))
LDFLAGS  += $(LDFLAGS_$(MODE))
LDLIBS   += $(shell pkg-config --libs $(LIBS) 2>/dev/null)

SRC  := $(sort $(shell find proxy -name '*.c'))
HDR  := $(sort $(shell find proxy -name '*.h' -o -name '*.def'))
OBJ  := $(SRC:%.c=$B/%.o)
ROOM := $(filter-out $B/proxy/main.o,$(OBJ))
UNIT := $(patsubst %.c,$B/%,$(sort $(shell find tests/unit -name 'test_*.c')))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.PHONY: all build test unit lint clean
.SECONDARY:
all: build
build: $B/sallyport

$B/sallyport: $(OBJ)
	@echo "  LD  $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$B/%.o: %.c Makefile
	@mkdir -p $(@D); echo "  CC  $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

# every room in one archive, so that a test links only what it uses
$B/rooms.a: $(ROOM)
	@rm -f $@; ar rcs $@ $^

$B/tests/unit/%: $B/tests/unit/%.o $B/rooms.a
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

unit: $(UNIT)
	@for t in $(UNIT); do $$t || { echo "failed: $$t"; exit 1; }; done

test: unit

lint:
	@awk -f tests/lint/order.awk proxy/ORDER $(filter %.c %.h,$(SRC) $(HDR))
	@awk -f tests/lint/size.awk $(filter %.c %.h,$(SRC) $(HDR)) $(shell find tests -name '*.[ch]')
	@awk -f tests/lint/banned.awk $(filter %.c %.h,$(SRC) $(HDR))

clean:
	rm -rf build compile_commands.json

-include $(shell find build/$(MODE) -name '*.d' 2>/dev/null)
