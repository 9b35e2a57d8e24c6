/**
 * Imported before onnxruntime-node: its native library would otherwise open a telemetry client when
 * it loads (and leave its log in the temporary folder). Nobody's training is anybody else's business.
 */
process.env.ORT_DISABLE_TELEMETRY = '1'
