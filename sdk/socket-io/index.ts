/** `import { mountSocketIo } from 'drover/socket-io'` */

export { drainSockets } from './drain-sockets.ts';
export { mountSocketIo } from './mount-socket-io.ts';
