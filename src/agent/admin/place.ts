/** Where the agent listens for root, and `podwire status` looks for it. */
export const ADMIN_SOCKET = '/run/podwire/agent.sock';
