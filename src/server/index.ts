/** Pyramidion as an image server: `pyramidion/server`. */
export { type Config, type ConfigSources, readConfig } from '../config/config.js';
export type { Reply, ReplyHeaders } from '../reply/types.js';
export { isMember, type RunningServer, serveAsMember, startCluster } from './cluster.js';
export type { CoreOptions } from './core.js';
export { type MountedService, mountImageServing } from './mount.js';
export { ImageServer } from './server.js';
