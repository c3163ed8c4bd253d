/* Is it text that YAML allows? */
#include "config/yaml.h"

size_t utf8_character(struct slice s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *b = (const unsigned char *)s.at;
	size_t len = b[0] < 0x80 ? 1 : b[0] < 0xC0 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : b[0] < 0xF8 ? 4 : 0;

	if (len == 0 || len > s.len)
		return 0;
	*code = len == 1 ? b[0] : b[0] & (0xFFu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((b[i] & 0xC0) != 0x80)
			return 0;
		*code = *code << 6 | (b[i] & 0x3F);
	}
	return *code < least[len] || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000) ? 0 : len;
}

/* What is wrong with a character, or NULL. */
static const char *wrong(uint32_t code, struct slice rest)
{
	if (code == 0xFEFF)
		return "byte order marks are not allowed here";
	if (code == '\r' && (rest.len < 2 || rest.at[1] != '\n'))
		return "lines end in LF, or in CR LF; a CR stands alone here";
	if (code == 0x85 || code == 0x2028 || code == 0x2029)
		return "lines end in LF, or in CR LF; another kind of line end stands here";
	if ((code < 0x20 && code != '\t' && code != '\n' && code != '\r') || (code >= 0x7F && code < 0xA0))
		return "control characters are not allowed here";
	return NULL;
}

bool yaml_is_text(struct slice text, const char *file, struct config_errors *e)
{
	struct config_place place = { file, 1, 1 };

	for (struct slice rest = text; rest.len;) {
		uint32_t code = 0;
		size_t len = utf8_character(rest, &code);
		const char *why = len ? wrong(code, rest) : "the file is not UTF-8 from here on";
		if (why) {
			complain_blind(e, place, "%s", why);
			return false;
		}
		place.column++;
		if (code == '\n') {
			place.line++;
			place.column = 1;
		}
		rest = slice_from(rest, len);
	}
	return true;
}
