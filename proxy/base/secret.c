/* Compares and wipes secrets in ways that the compiler keeps. */
#include "base/secret.h"

bool secret_same(struct slice a, struct slice b)
{
	volatile unsigned char differ = a.len != b.len;

	for (size_t i = 0; i < b.len; i++)
		differ |= (unsigned char)(b.at[i] ^ (i < a.len ? a.at[i] : ~b.at[i]));
	return differ == 0;
}

void secret_wipe(void *at, size_t len)
{
	if (len)
		explicit_bzero(at, len);
}
