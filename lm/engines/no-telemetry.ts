/**
 * Imported before onnxruntime-node: its native library would otherwise open a telemetry client when
 * it loads (and leave its log in the temporary folder). Attune sends no telemetry.
 */
process.env.ORT_DISABLE_TELEMETRY = '1'
