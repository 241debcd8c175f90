/** Pyramidion as an image server: `pyramidion/server`. */
export { type Config, type ConfigSources, readConfig } from '../config/config.js';
export type { Reply, ReplyHeaders } from '../reply/types.js';
export { type RunningServer, startCluster } from './cluster.js';
export type { CoreOptions } from './core.js';
export { type MountedService, mountImageServing } from './mount.js';
export { ImageServer } from './server.js';
