/* Looks a name up as any program does, and prints its addresses, or why there are none. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **words) {
  if (count != 2) return 2;
  struct addrinfo hints, *found;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  int error = getaddrinfo(words[1], NULL, &hints, &found);
  if (error != 0) {
    printf("%s\n", error == EAI_NONAME ? "no such name" : gai_strerror(error));
    return 1;
  }
  for (struct addrinfo *each = found; each != NULL; each = each->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void *address = each->ai_family == AF_INET
      ? (const void *)&((struct sockaddr_in *)each->ai_addr)->sin_addr
      : (const void *)&((struct sockaddr_in6 *)each->ai_addr)->sin6_addr;
    puts(inet_ntop(each->ai_family, address, text, sizeof text));
  }
  return 0;
}
