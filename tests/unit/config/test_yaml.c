#include "loaded.h"
#include "config/yaml.h"

static struct store store;
static struct config_errors errors;
static struct bundle *bundle;

static struct node *read_text(const char *text)
{
	bundle = bundle_empty();
	bundle_put(bundle, "/f", slice_of(text));
	complain_open(&errors, bundle, "/etc/s/c.yaml");
	return yaml_read(&store, slice_of(text), "/f", &errors);
}

static void done(void)
{
	config_errors_free(&errors);
	bundle_close(bundle);
	store_free(&store);
}

static void expect_refused(const char *text, const char *piece)
{
	assert_null(read_text(text));
	assert_int_equal(errors.count, 1);
	if (!strstr(errors.text, piece))
		fprintf(stderr, "looked for: %s\nin: %s", piece, errors.text);
	assert_non_null(strstr(errors.text, piece));
	done();
}

static void nodes_know_where_they_stand(void **state)
{
	struct node *root = read_text("a: 1\nb:\n  - x\n  - {c: \"d\"}\n");

	(void)state;
	assert_non_null(root);
	struct node *b = node_find(root, S("b"));
	assert_int_equal(b->kind, NODE_LIST);
	assert_int_equal(b->len, 2);
	assert_int_equal(b->key->place.line, 2);
	struct node *d = node_find(b->last, S("c"));
	assert_true(slice_same(d->text, S("d")));
	assert_false(d->plain);
	assert_int_equal(d->place.line, 4);
	assert_int_equal(d->place.column, 9);
	assert_string_equal(d->place.file, "/f");
	done();
}

static void an_empty_file_is_an_empty_mapping(void **state)
{
	(void)state;
	struct node *root = read_text("# nothing yet\n");
	assert_non_null(root);
	assert_int_equal(root->kind, NODE_MAP);
	assert_int_equal(root->len, 0);
	done();
}

static void anchors_aliases_tags_and_directives_are_refused(void **state)
{
	(void)state;
	expect_refused("a: &x 1\n", "/f:1:4: error: anchors");
	expect_refused("a: &x [1]\n", "/f:1:4: error: anchors");
	expect_refused("a: &x {b: 1}\n", "/f:1:4: error: anchors");
	expect_refused("&x a: 1\n", "/f:1:1: error: anchors");
	expect_refused("a: *x\n", "/f:1:4: error: aliases");
	expect_refused("a: !!str 1\n", "/f:1:4: error: tags");
	expect_refused("a: ! 1\n", "/f:1:4: error: tags");
	expect_refused("a: !mine [1]\n", "/f:1:4: error: tags");
	expect_refused("%YAML 1.1\n---\na: 1\n", "/f:1:1: error: directives");
}

static void all_of_them_are_told_at_once(void **state)
{
	(void)state;
	assert_null(read_text("a: &x 1\nb: *x\nc: !t 1\na: 2\n"));
	assert_int_equal(errors.count, 4);
	done();
}

static void a_second_document_is_refused(void **state)
{
	(void)state;
	expect_refused("a: 1\n---\nb: 1\n", "/f:2:1: error: a file holds one document");
}

static void a_key_given_twice_is_refused_with_both_places(void **state)
{
	char many[1024] = "";

	(void)state;
	expect_refused("a: 1\nb: 2\n\"a\": 3\n",
	               "/f:3:1: error: the key \"a\" is given twice; it stands already at /f:1:1");
	for (int i = 0; i < 40; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), "k%d: 1\n", i);
	strncat(many, "k3: 1\nk39: 1\n", sizeof many - strlen(many) - 1);
	assert_null(read_text(many));
	assert_int_equal(errors.count, 2);
	assert_non_null(
	    strstr(errors.text, "/f:41:1: error: the key \"k3\" is given twice; it stands already at /f:4:1"));
	assert_non_null(
	    strstr(errors.text, "/f:42:1: error: the key \"k39\" is given twice; it stands already at /f:40:1"));
	done();
}

static void keys_are_scalars(void **state)
{
	(void)state;
	expect_refused("? [a]\n: 1\n", "a key must be a single word");
	expect_refused("{{a: b}: 1}\n", "a key must be a single word");
}

static void depth_is_bounded(void **state)
{
	char text[128] = "a: ";

	(void)state;
	memset(text + 3, '[', 31);
	memset(text + 34, ']', 31);
	text[65] = '\0';
	assert_non_null(read_text(text)); /* the mapping and 31 lists */
	done();
	memset(text + 3, '[', 32);
	memset(text + 35, ']', 32);
	text[67] = '\0';
	expect_refused(text, "/f:1:35: error: this is nested more than 32 levels deep");
}

static void size_is_bounded(void **state)
{
	char *text = malloc(YAML_SIZE_MAX + 2);

	(void)state;
	memset(text, ' ', YAML_SIZE_MAX + 1);
	text[0] = '#';
	text[YAML_SIZE_MAX + 1] = '\0';
	expect_refused(text, "/f: error: the file is larger than 1 MiB");
	text[YAML_SIZE_MAX] = '\0';
	assert_non_null(read_text(text));
	done();
	free(text);
}

static void only_utf8_without_controls_is_read(void **state)
{
	(void)state;
	expect_refused("a: b\nc: \xff\n", "/f:2:4: error: the file is not UTF-8 from here on");
	expect_refused("a: \xc0\xaf\n", "/f:1:4: error: the file is not UTF-8");
	expect_refused("a: \xed\xa0\x80\n", "/f:1:4: error: the file is not UTF-8");
	expect_refused("\xef\xbb\xbf"
	               "a: 1\n",
	               "byte order marks");
	expect_refused("\xff\xfe"
	               "a\0",
	               "not UTF-8");
	expect_refused("a: 1\rb: 2\n", "/f:1:5: error: lines end in LF");
	expect_refused("a: \x01\n", "control characters");
	expect_refused("a: \xc2\x85\n", "another kind of line end");
	struct node *root = read_text("a: \xc3\xa9\xc3\xa9 \r\nb: 2\r\n");
	assert_non_null(root);
	assert_true(slice_same(node_find(root, S("a"))->text, S("\xc3\xa9\xc3\xa9")));
	assert_int_equal(node_find(root, S("b"))->place.line, 2);
	done();
}

static void what_is_no_yaml_is_told_with_line_and_caret(void **state)
{
	(void)state;
	expect_refused("a: [1, 2\nb: 3\n", "/f:2:2: error: this is not YAML");
	expect_refused("a: \"x\n", "this is not YAML");
	expect_refused("a:\n\t- b\n", "a tab may not indent; use spaces");
	expect_refused("\xc3\xa9: 1\nx: }\n",
	               "/f:2:4: error: this is not YAML: did not find expected node content, while "
	               "parsing a block node that begins at line 2\n    x: }\n       ^\n");
}

static void a_line_that_may_hold_a_secret_is_not_shown_where_yaml_is_broken(void **state)
{
	(void)state;
	assert_null(read_text("secrets:\n  fleet:\n    - \"hunter2\" x\n"));
	assert_null(strstr(errors.text, "hunter2"));
	assert_non_null(strstr(errors.text, "is not shown"));
	done();
	assert_null(read_text("\"\\x73ecrets\":\n  fleet: \"hunter2\" x\n"));
	assert_null(strstr(errors.text, "hunter2"));
	done();
	assert_null(read_text("secrets: {fleet: [\n\"hunter2\" x]}\n"));
	assert_null(strstr(errors.text, "hunter2"));
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_know_where_they_stand),
		cmocka_unit_test(an_empty_file_is_an_empty_mapping),
		cmocka_unit_test(anchors_aliases_tags_and_directives_are_refused),
		cmocka_unit_test(all_of_them_are_told_at_once),
		cmocka_unit_test(a_second_document_is_refused),
		cmocka_unit_test(a_key_given_twice_is_refused_with_both_places),
		cmocka_unit_test(keys_are_scalars),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(only_utf8_without_controls_is_read),
		cmocka_unit_test(what_is_no_yaml_is_told_with_line_and_caret),
		cmocka_unit_test(a_line_that_may_hold_a_secret_is_not_shown_where_yaml_is_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
