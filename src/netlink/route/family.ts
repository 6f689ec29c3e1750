/** AF_INET or AF_INET6 (linux/socket.h). */
export function addressFamily(family: 4 | 6): number {
  return family === 4 ? 2 : 10;
}
