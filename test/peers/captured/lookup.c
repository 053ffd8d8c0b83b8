/* Prints what getaddrinfo of a C library finds for each name: NAME and its addresses, or what it says. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int count, char **words) {
  for (int i = 1; i < count; i++) {
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM}, *found;
    char text[INET6_ADDRSTRLEN];
    int failed = getaddrinfo(words[i], NULL, &wanted, &found);
    printf("%s", words[i]);
    if (failed) {
      printf(" %s\n", gai_strerror(failed));
      continue;
    }
    for (struct addrinfo *one = found; one; one = one->ai_next) {
      getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
      printf(" %s", text);
    }
    printf("\n");
    freeaddrinfo(found);
  }
}
