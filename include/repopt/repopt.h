/* repopt.h - everything public in one include. */
#ifndef REPOPT_REPOPT_H
#define REPOPT_REPOPT_H

#include "repopt/check.h"
#include "repopt/config.h"
#include "repopt/data.h"
#include "repopt/detection.h"
#include "repopt/detection_data.h"
#include "repopt/detector.h"
#include "repopt/device.h"
#include "repopt/export.h"
#include "repopt/graph.h"
#include "repopt/log.h"
#include "repopt/model.h"
#include "repopt/onnx.h"
#include "repopt/paint.h"
#include "repopt/quantize.h"
#include "repopt/scene.h"
#include "repopt/status.h"
#include "repopt/tensors.h"
#include "repopt/train.h"
#include "repopt/trainer.h"
#include "repopt/twin.h"
#include "repopt/version.h"

#endif
