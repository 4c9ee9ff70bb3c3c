/** `import { createClient } from 'drover/client'`: the REST API, typed. */

export { type Client, createClient } from './create-client.ts';
