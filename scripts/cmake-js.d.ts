/** The part of cmake-js that scripts/build-native.mjs uses; the package has no types of its own. */
declare module 'cmake-js' {
  export class BuildSystem {
    constructor(options: { directory: string; out: string; parallel: number });
    configure(): Promise<void>;
    build(): Promise<void>;
  }
}
