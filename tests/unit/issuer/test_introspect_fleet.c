/* What one machine of a fleet was told of an opaque token, for the others, in a Redis that is not trusted. */
#include "sharing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACTIVE \
	"{\"active\":true,\"sub\":\"alice\",\"client_id\":\"app\",\"org_id\":\"acme\"," \
	"\"scope\":\"read\",\"exp\":1800003600}"
#define REFUSED "{\"active\":false}"

#define FLEET "a secret of all machines of a fleet"

static void another_machine_of_the_fleet_need_not_ask_the_issuer(void **state)
{
	(void)state;
	asking_join(FLEET);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	assert_int_equal(asking.calls, 0); /* first the fleet is asked */
	asking_fleet_answer();
	assert_int_equal(asking.calls, 1);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking_again(0), FAULT_NONE);
	assert_true(asking.fleet_ttl_ms == 3600 * 1000);
	asking_pass(10 * NS_PER_S);
	asking_join(FLEET);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_fleet_answer();
	assert_int_equal(asking_again(0), FAULT_NONE);
	assert_true(slice_same(askers[0].r.identity.subject, S("alice")));
	assert_int_equal(asking.calls, 1);
	asking_pass(55 * NS_PER_S); /* it is as old here as it was there */
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_fleet_answer();
	assert_int_equal(asking.calls, 2);
	asking_answer(200, REFUSED);
	assert_int_equal(asking_again(0), FAULT_TOKEN_INACTIVE);
	assert_int_equal(asking.fleet_value_len + asking.fleet_ttl_ms, 0); /* taken back for all */
}

static void a_copy_from_the_future_is_not_believed(void **state)
{
	(void)state;
	for (unsigned ahead_s = 60; ahead_s <= 61; ahead_s++) {
		asking_join(FLEET);
		asking.fleet_value_len = 0;
		size_t calls = asking.calls;
		asking.wall_s += ahead_s; /* the clock of the machine that asks */
		assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
		asking_fleet_answer();
		asking_answer(200, ACTIVE);
		assert_int_equal(asking.calls, calls + 1);
		asking.wall_s -= ahead_s;
		asking_join(FLEET);
		assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
		asking_fleet_answer();
		assert_int_equal(asking.calls, calls + 1 + (ahead_s > 60));
		if (ahead_s > 60)
			asking_answer(200, ACTIVE);
	}
}

static void an_old_copy_is_fallen_back_on_where_the_issuer_is_away(void **state)
{
	(void)state;
	asking_join(FLEET);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_fleet_answer();
	asking_answer(200, "{\"active\":true,\"sub\":\"alice\"}");
	asking_pass(1800 * NS_PER_S);
	asking_join(FLEET);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_fleet_answer();
	asking_answer(0, "");
	assert_int_equal(asking_again(0), FAULT_NONE);
	asking_pass(1801 * NS_PER_S);
	asking_join(FLEET);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_fleet_answer();
	asking_answer(0, "");
	assert_int_equal(asking_again(0), FAULT_TOKEN_UNASKED);
}

static void a_dump_of_redis_says_nothing_and_a_write_is_not_believed(void **state)
{
	static const char *const secrets[] = { "alice", "acme", "opaque-1", "read", "app" };
	char kept[4096];

	(void)state;
	asking_join(FLEET);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_fleet_answer();
	asking_answer(200, ACTIVE);
	size_t len = asking.fleet_value_len;
	memcpy(kept, asking.fleet_value, len);
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
		assert_null(memmem(asking.fleet_value, len, secrets[i], strlen(secrets[i])));
		assert_null(memmem(asking.fleet_key, asking.fleet_key_len, secrets[i], strlen(secrets[i])));
	}
	for (size_t i = 0; i < len; i += 7) { /* one bit, anywhere */
		asking_join(FLEET);
		assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
		memcpy(asking.fleet_value, kept, len);
		asking.fleet_value[i] ^= 1;
		size_t calls = asking.calls;
		asking_fleet_answer();
		assert_int_equal(asking.calls, calls + 1);
		asking_answer(200, REFUSED);
		assert_int_equal(asking_again(0), FAULT_TOKEN_INACTIVE);
		asking.fleet_value_len = len;
		asking.calls = asking.answered = 0;
	}
	asking_join("another secret of some other fleet");
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	memcpy(asking.fleet_value, kept, asking.fleet_value_len = len);
	asking_fleet_answer();
	assert_int_equal(asking.calls, 1);
}

static void a_copy_of_one_token_does_not_serve_another(void **state)
{
	char kept[4096];

	(void)state;
	asking_join(FLEET);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	asking_fleet_answer();
	asking_answer(200, ACTIVE);
	size_t len = asking.fleet_value_len;
	memcpy(kept, asking.fleet_value, len);
	assert_int_equal(asking_try(0, "opaque-2"), FAULTS);
	memcpy(asking.fleet_value, kept, asking.fleet_value_len = len); /* moved under its key */
	asking_fleet_answer();
	assert_int_equal(asking.calls, 2);
}

static void without_redis_or_a_secret_the_issuer_is_asked_at_once(void **state)
{
	(void)state;
	asking_join("");
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	assert_int_equal(asking.calls, 1);
	asking_answer(200, ACTIVE);
	assert_int_equal(asking.fleet_gets + asking.fleet_value_len, 0);
	asking.fleet_is_away = true;
	asking_join(FLEET);
	assert_int_equal(asking_try(0, "opaque-1"), FAULTS);
	assert_int_equal(asking.calls, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, asking_begin, asking_end)
		TEST(another_machine_of_the_fleet_need_not_ask_the_issuer),
		TEST(a_copy_from_the_future_is_not_believed),
		TEST(an_old_copy_is_fallen_back_on_where_the_issuer_is_away),
		TEST(a_dump_of_redis_says_nothing_and_a_write_is_not_believed),
		TEST(a_copy_of_one_token_does_not_serve_another),
		TEST(without_redis_or_a_secret_the_issuer_is_asked_at_once),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
