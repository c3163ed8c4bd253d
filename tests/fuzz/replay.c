/* replay.c -- runs a fuzz target over files instead of a fuzzer: every corpus is part of the ordinary tests.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *in = fopen(path, "rb");

	if (!in) {
		perror(path);
		exit(1);
	}
	size_t size = fread(bytes, 1, sizeof bytes, in);
	fclose(in);
	uint8_t *exact = malloc(size + (size == 0)); /* so that a read past the end is seen */
	if (!exact)
		exit(1);
	for (size_t i = 0; i < size; i++)
		exact[i] = bytes[i];
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

int main(int argc, char **argv)
{
	unsigned files = 0;

	for (int i = 1; i < argc; i++) {
		char path[4096];
		DIR *corpus = opendir(argv[i]);
		if (!corpus) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *e; (e = readdir(corpus));) {
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
			replay(path);
			files++;
		}
		closedir(corpus);
	}
	printf("%u inputs replayed\n", files);
	return files == 0;
}
