/**
 * Settings of the original that say nothing here, as there is nothing that they could set. They are refused like all names
 * that are not known, but with that reason.
 */
export const WITHOUT_COUNTERPART: ReadonlySet<string> = new Set(
  `
  TC::SslPort keystoreFile keystorePass keystoreType
  IS::CacheServerUrl IS::RemoteUrlDefaultExpiration IS::RemoteUrlTimeout IS::SaveDirectory IS::TempDirectory
  IS::PhysicalMemory IS::MaxSavePixels IS::NumberOfTextServers IS::TextServerTcpPortRange IS::SVGTcpPort
  IS::SvgMaxRenderRgnPixels IS::Log
  PS::saveToFile.saveTimeout PS::staticContent.rootPaths PS::svgProvider.SVGFileSizeLimit
  PS::fvctx.useCatalogRecordValidation PS::fvctx.nestingLimit PS::fvctx.brochureLimit
  PS::cacheCluster.hosts cluster.hosts PS::cacheCluster.updateLocalCache PS::cacheCluster.queryTimeout
  PS::cacheCluster.fetchTimeout PS::errorRedirect.rootUrl PS::errorRedirect.connectTimeout
  PS::errorRedirect.socketTimeout
  CS::catalog.cacheRoot SV::temp SV::log SV::tracelevel SV::PsHeapSize SV::SvgHeapSize
  AS::monitorAlertGenerator.enableGlobalAlerting AS::monitorAlertGenerator.mailSender.host
  AS::monitorAlertGenerator.mailSender.port AS::monitorAlertGenerator.messageTo
  AS::monitorAlertGenerator.messageFrom AS::monitorAlertGenerator.minFreeHeapSpace
  AS::monitorAlertGenerator.heapSpaceResetInterval
  `
    .trim()
    .split(/\s+/),
);
