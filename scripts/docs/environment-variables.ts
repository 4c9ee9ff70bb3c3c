export interface EnvironmentVariable {
  readonly name: string;
  readonly meaning: string;
}

/** What the command line reads. An option goes before its variable, and a variable before the config file. */
export const commandVariables: readonly EnvironmentVariable[] = [
  { name: 'DROVER_URL', meaning: 'Controllers to ask, separated by commas (`--url`)' },
  { name: 'DROVER_TOKEN', meaning: 'The bearer token itself' },
  { name: 'DROVER_TOKEN_FILE', meaning: 'File with the bearer token (`--token-file`); `DROVER_TOKEN` goes first' },
  { name: 'DROVER_CA', meaning: 'The certificate authority of the cluster: a file, or the PEM text itself (`--ca`)' },
  { name: 'DROVER_CONFIG', meaning: 'Where clusters are remembered (`--config`); default `~/.drover/config.json`' },
  { name: 'NO_COLOR', meaning: 'Any value: plain text (`--no-color`)' },
  { name: 'TERM', meaning: '`dumb`: plain text' },
  {
    name: 'XDG_CACHE_HOME',
    meaning: 'Holds the compile cache, which makes the next start quicker; default `~/.cache`',
  },
  { name: 'NODE_COMPILE_CACHE', meaning: 'The compile cache itself' },
];

/** What `drover up`, `drover controller start`, `npm start` and `npm test` read. */
export const serverVariables: readonly EnvironmentVariable[] = [
  {
    name: 'DROVER_REDIS_URL',
    meaning:
      'Redis of the cluster: `redis://`, `rediss://` or `redis+sentinel://host:port,host:port/name`. `drover up` and `npm start` bring a private server when it is missing',
  },
  {
    name: 'DROVER_SERVICES_REDIS_URL',
    meaning:
      'Redis that services coordinate through, as their hosts reach it, with a user of its own. Default: a user that the controllers make on the Redis of the cluster',
  },
];

/** What a worker finds besides `env` of its spec. */
export const workerVariables: readonly EnvironmentVariable[] = [
  {
    name: 'PORT',
    meaning: 'Where to listen, leased for this instance; shared by the instances of one node in cluster mode',
  },
  { name: 'HOST', meaning: 'The address of the node, to listen on' },
  {
    name: 'NODE_APP_INSTANCE',
    meaning: 'Number of the slot, from 0 over the whole fleet; another name with `instance_var`',
  },
  { name: 'DROVER_SERVICE', meaning: 'Name of the service' },
  { name: 'DROVER_REVISION', meaning: 'Number of the revision' },
  { name: 'DROVER_SLOT', meaning: 'Number of the slot' },
  { name: 'DROVER_INSTANCE_ID', meaning: 'Id of the instance' },
  { name: 'DROVER_NODE', meaning: 'Name of the node' },
  {
    name: 'DROVER_COORDINATION_URL',
    meaning: 'Redis that services coordinate through, for the SDK; with a password. Not there when services have none',
  },
  { name: 'DROVER_COORDINATION_PREFIX', meaning: 'Prefix of all keys that services share' },
  { name: 'DROVER_URL', meaning: 'URLs of the controllers, for services that coordinate over REST' },
  { name: 'DROVER_TOKEN', meaning: 'Bearer token that is good for the coordination operations of the API only' },
  { name: 'DROVER_CA', meaning: "File with the certificate of the cluster's authority" },
  { name: 'DROVER_SHIM', meaning: 'Marks the processes of this shim. Leave it as it is: by it nothing is left behind' },
];

/** Read by the package `drover` outside of a cluster, where no agent has set the variables of workers. */
export const handStartedVariables: readonly EnvironmentVariable[] = [
  { name: 'DROVER_SERVICE_URLS', meaning: 'Base URLs of services: `name=url,name=url`' },
];
